-- Give the jobs of dead workers back to their queue, ahead of the others.
-- KEYS: the set of claim lists.
-- A claim list is named …:claims:<queue>:<worker>; a worker lives as long as its RQ key does.
local moved = 0
for _, claims in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local queue, worker = string.match(claims, ':claims:([^:]+):([^:]+)$')
  if worker and redis.call('EXISTS', 'rq:worker:' .. worker) == 0 then
    local id = redis.call('RPOP', claims)
    while id do
      if redis.call('EXISTS', 'rq:job:' .. id) == 1 then
        redis.call('HSET', 'rq:job:' .. id, 'status', 'queued')
        redis.call('LPUSH', 'rq:queue:' .. queue, id)
        moved = moved + 1
      end
      id = redis.call('RPOP', claims)
    end
    redis.call('SREM', KEYS[1], claims)
  end
end
return moved
