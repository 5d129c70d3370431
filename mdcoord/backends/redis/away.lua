-- The last key says that the workspace has moved, or that somebody is about to move it (`!` and a word of his).
-- Answer: the error for whoever writes, or reads; nil when all is as ever.

local function away(writing)
  local place = redis.call('GET', KEYS[#KEYS])
  if not place then return nil end
  if string.sub(place, 1, 1) ~= '!' then return redis.error_reply('AWAY ' .. place) end
  return writing and redis.error_reply('CLOSED the workspace is being moved') or nil
end

