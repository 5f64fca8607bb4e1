-- Claim what is to be asked about now: its time is put off by the lease, so that a batch whose worker
-- dies comes back.
-- KEYS: the polls by due time. ARGV: prefix, now (s), how many at most, due again at (s).
-- Returns id and record of each, in turn.
local found = {}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[2], 'LIMIT', 0, ARGV[3])
for _, id in ipairs(due) do
  local poll = redis.call('GET', ARGV[1] .. ':poll:' .. id)
  if poll then
    redis.call('ZADD', KEYS[1], ARGV[4], id)
    found[#found + 1] = id
    found[#found + 1] = poll
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return found
