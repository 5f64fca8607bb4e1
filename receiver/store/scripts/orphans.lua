-- Give the jobs of dead workers back to their queue, ahead of the others.
-- KEYS: the set of claim lists, the ledger. ARGV: a claim list to give back though its worker lives.
-- A claim list is named …:claims:<queue>:<worker>; a worker lives as long as its RQ key does.
local moved = 0
for _, claims in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local queue, worker = string.match(claims, ':claims:([^:]+):([^:]+)$')
  local given_back = claims == ARGV[1]
  if given_back or (worker and redis.call('EXISTS', 'rq:worker:' .. worker) == 0) then
    local id = redis.call('RPOP', claims)
    while id do
      local key = 'rq:job:' .. id
      if not given_back and redis.call('HGET', key, 'status') == 'started' then
        redis.call('HINCRBY', key, 'deaths', 1)
      end
      moved = moved + requeue(id, queue, 'LPUSH', KEYS[2])
      id = redis.call('RPOP', claims)
    end
    redis.call('SREM', KEYS[1], claims)
  end
end
return moved
