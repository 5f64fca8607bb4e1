-- Claim jobs for a worker, and read what it needs to begin them.
-- KEYS: its claim list, the queue. ARGV: prefix, how many it is to have claimed at most.
-- What the list holds already counts, and is given again: the answer to an earlier call was lost.
-- Returns for each: id, data (false where the job is gone), signature, deaths, and of an event that
-- no handler has been near: event, duplicate_of, stale, raw_in; an empty list for all others.
local routes, records = ARGV[1] .. '-route-', ARGV[1] .. ':event:'

local function untouched(id)
  if string.sub(id, 1, #routes) ~= routes then return {} end
  local record = records .. string.sub(id, #routes + 1)
  for _, name in ipairs(redis.call('HKEYS', record)) do
    if name == 'routed' or name == 'replay' or name == 'forgotten'
        or string.find(name, ':', 1, true) then
      return {}
    end
  end
  local found = redis.call('HMGET', record, 'event', 'duplicate_of', 'stale', 'raw_in')
  return found[1] and found or {}
end

for _ = redis.call('LLEN', KEYS[1]) + 1, tonumber(ARGV[2]) do
  if not redis.call('LMOVE', KEYS[2], KEYS[1], 'LEFT', 'RIGHT') then break end
end
local answer = {}
for _, id in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local key = 'rq:job:' .. id
  local job = redis.call('HMGET', key, 'data', 'signature', 'deaths')
  local data = job[1] or (redis.call('EXISTS', key) == 1 and '')
  answer[#answer + 1] = {id, data, job[2], job[3], untouched(id)}
end
return answer
