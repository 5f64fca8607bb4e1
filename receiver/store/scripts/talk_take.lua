-- Let one message take what a conversation expects; whoever has taken it is told so again.
-- KEYS: the conversation. ARGV: event, seconds that the key is kept at least from now on.
-- Returns the name that is expected, or nil.
local found = redis.call('HMGET', KEYS[1],
  'expected', 'expected_by', 'taken', 'was_expected', 'was_taken', 'until')
local expected, by, taken, was_expected, was_taken, alive_until = unpack(found)
if taken == ARGV[1] then return expected end
if was_taken == ARGV[1] then return was_expected end
if not expected or expected == '' or taken ~= '' or by == ARGV[1] then return false end
if tonumber(alive_until) <= now_ms() then return false end
redis.call('HSET', KEYS[1], 'taken', ARGV[1])
if redis.call('TTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('EXPIRE', KEYS[1], ARGV[2])
end
return expected
