-- Move the scheduled jobs of a queue whose time has come; safe to run from anywhere at once.
-- KEYS: RQ's scheduled registry, the ledger. ARGV: queue, now (s), how many at most.
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(due) do
  requeue(id, ARGV[1], 'RPUSH', KEYS[2])
  redis.call('ZREM', KEYS[1], id)
end
return #due
