-- A write, all or nothing: when every guard holds, the commands are done.
--
-- KEYS  1 what remembers this operation   2 the counter of revisions   3 the index of the kind
-- ARGV  1 seconds to remember the operation   2 the id in the index   3 "put", "drop" or "" (leave it)
--       4 how many guards, then for each: the number of its words, its words, what they must find
--       ("*" anything, "-" nothing, "=" and a value, "#" and the SHA-1 of a value);
--       then for each command: the number of its words, its words
-- Before it stands `away.lua`.
-- Answer: the server's time (seconds, microseconds), 1 or 0, what the guards found.
-- A repeated operation that was done before is answered and not done again.

local time = redis.call('TIME')
local place = 5

local function words()
  local first = place + 1
  place = first + tonumber(ARGV[place])
  return unpack(ARGV, first, place - 1)
end

local function holds(found, expected)
  local kind = string.sub(expected, 1, 1)
  if kind == '*' then return true end
  if kind == '-' then return not found end
  if not found then return false end
  if kind == '#' then found = redis.sha1hex(found) end
  return found == string.sub(expected, 2)
end

local found, good = {}, true
for number = 1, tonumber(ARGV[4]) do
  found[number] = redis.call(words())
  good = holds(found[number], ARGV[place]) and good
  place = place + 1
end

if redis.call('EXISTS', KEYS[1]) == 1 then return {time[1], time[2], 1, found} end
local gone = away(true)
if gone then return gone end
if not good then return {time[1], time[2], 0, found} end

-- Puts ids into an index, with a new revision.
local function put(index, ...)
  local revision = redis.call('INCR', KEYS[2])
  for _, id in ipairs({...}) do
    redis.call('ZADD', index, revision, id)
    redis.call('PUBLISH', KEYS[2], id)
  end
end

-- RELEASE moves what waits in a set into a sorted set; INDEX puts ids into an index.
local function run(command, key, ...)
  if command == 'INDEX' then return put(key, ...) end
  if command ~= 'RELEASE' then return redis.call(command, key, ...) end
  for _, member in ipairs(redis.call('SMEMBERS', key)) do
    redis.call('ZADD', ..., cjson.decode(member).priority, member)
  end
  redis.call('DEL', key)
end

while place <= #ARGV do run(words()) end
if ARGV[3] == 'put' then
  put(KEYS[3], ARGV[2])
elseif ARGV[3] == 'drop' then
  redis.call('ZREM', KEYS[3], ARGV[2])
  redis.call('PUBLISH', KEYS[2], ARGV[2])
end
redis.call('SET', KEYS[1], 1, 'EX', ARGV[1])
return {time[1], time[2], 1, found}
