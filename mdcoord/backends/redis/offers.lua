-- The next of the waiting tasks, best first, that nobody else has been offered a moment ago.
--
-- KEYS  1 the queue   2 what waits for a time   3 what was offered to whom
-- ARGV  1 who asks   2 how many   3 for how many milliseconds they are not offered to others
--       4, 5 score and member of the last one that the caller has seen ("", "": begin with the best)
--       6 what stands before the name of a task in the key of its document
-- Before it stands `away.lua`.
-- Answer: the server's time, members, scores, texts, leases, one after the other.
-- The score tells the priority, the member its age: the highest score goes first, then the least member.

local gone = away(true)
if gone then return gone end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local queue, later, offered = KEYS[1], KEYS[2], KEYS[3]

for _, member in ipairs(redis.call('ZRANGEBYSCORE', later, '-inf', now / 1000, 'LIMIT', 0, 100)) do
  redis.call('ZREM', later, member)
  redis.call('ZADD', queue, cjson.decode(member).priority, member)
end

local function member_at(rank) return redis.call('ZRANGE', queue, rank, rank)[1] end
local function score_at(rank) return redis.call('ZRANGE', queue, rank, rank, 'WITHSCORES')[2] end

-- The first of those with the caller's last score that comes after its last member.
local function after(first, final, member)
  while first < final do
    local middle = math.floor((first + final) / 2)
    if member_at(middle) <= member then first = middle + 1 else final = middle end
  end
  return first
end

local function mine(member)
  local owner = redis.call('HGET', offered, member)
  if not owner then return true end
  local name, ends = string.match(owner, '^(%S+) (%d+)$')
  return name == ARGV[1] or tonumber(ends) < now
end

-- Goes through the queue level by level: those of one score have neighbouring ranks, the least member first.
local function collect(wanted, score, member, all)
  local found, skipped = {}, false
  local low, place
  if score == '' then
    score = score_at(-1)
    if not score then return found, false end
    low = redis.call('ZCOUNT', queue, '-inf', '(' .. score)
    place = low
  else
    low = redis.call('ZCOUNT', queue, '-inf', '(' .. score)
    place = after(low, redis.call('ZCOUNT', queue, '-inf', score), member)
  end
  while #found < wanted do
    local high = redis.call('ZCOUNT', queue, '-inf', score)
    if place >= high then
      if low == 0 then break end
      score = score_at(low - 1)
      low = redis.call('ZCOUNT', queue, '-inf', '(' .. score)
      place = low
    else
      local part = redis.call('ZRANGE', queue, place, math.min(high, place + wanted) - 1)
      place = place + #part
      for _, one in ipairs(part) do
        if not all and not mine(one) then
          skipped = true
        elseif #found < wanted then
          found[#found + 1] = {one, score}
        end
      end
    end
  end
  return found, skipped
end

local wanted = tonumber(ARGV[2])
local found, skipped = collect(wanted, ARGV[4], ARGV[5], false)
if #found == 0 and skipped then found = collect(wanted, ARGV[4], ARGV[5], true) end

local answer = {time[1], time[2]}
for _, one in ipairs(found) do
  redis.call('HSET', offered, one[1], ARGV[1] .. ' ' .. string.format('%d', now + ARGV[3]))
  local stored = redis.call('HMGET', ARGV[6] .. cjson.decode(one[1]).id, 'text', 'lease')
  for _, value in ipairs({one[1], one[2]}) do answer[#answer + 1] = value end
  answer[#answer + 1] = stored[1]
  answer[#answer + 1] = stored[2]
end
if #found > 0 then redis.call('PEXPIRE', offered, 2000) end
return answer
