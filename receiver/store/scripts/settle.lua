-- Let go of a claimed job and write how it ended, once: not where it is claimed no longer.
-- KEYS: the claim list, the job, the ledger, RQ's scheduled and failed registries, the record.
-- ARGV: job id, how ('held', 'later', 'done', 'dead'), entry in the ledger or '', lane or '',
--       due at (s), retention (s), forgotten at (s), then fields of a dead letter and their values.
-- What ends for good leaves its lane to the next; what is tried again keeps its place there.
-- Returns 1; 0 where it was settled before, or its worker was taken for dead meanwhile.
local FIELDS_FROM = 8
if redis.call('LREM', KEYS[1], 1, ARGV[1]) == 0 then return 0 end
if ARGV[2] == 'held' then return 1 end
if ARGV[2] == 'later' then
  redis.call('HSET', KEYS[2], 'status', 'scheduled')
  redis.call('ZADD', KEYS[4], ARGV[5], ARGV[1])
  return 1
end
if ARGV[3] ~= '' then redis.call('ZREM', KEYS[3], ARGV[3]) end
leave(ARGV[4], ARGV[1], KEYS[3])
if ARGV[2] == 'done' then
  redis.call('DEL', KEYS[2])
  return 1
end
redis.call('HSET', KEYS[2], unpack(ARGV, FIELDS_FROM))
redis.call('EXPIRE', KEYS[2], ARGV[6])
redis.call('EXPIRE', KEYS[6], ARGV[6])
redis.call('ZADD', KEYS[5], ARGV[7], ARGV[1])
return 1
