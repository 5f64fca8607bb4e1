-- Write a conversation, unless somebody else has since it was read.
-- KEYS: the conversation. ARGV: version as it was read ('' where there was none), the new version,
-- event, base, writes, 'set' or 'keep' what is expected, expected, '1' where no state is left,
-- seconds to live, seconds that the key is kept at least.
-- Returns 1; 0 where somebody was there first.
local found = redis.call('HMGET', KEYS[1], 'version', 'expected', 'taken')
-- It may be written already: the answer to the first writing was lost.
if found[1] == ARGV[2] then return 1 end
if (found[1] or '') ~= ARGV[1] then return 0 end
local expected, taken = found[2] or '', found[3] or ''
if ARGV[6] == 'set' then
  if taken ~= '' then
    redis.call('HSET', KEYS[1], 'was_expected', expected, 'was_taken', taken)
  end
  expected, taken = ARGV[7], ''
  redis.call('HSET', KEYS[1], 'expected', expected, 'expected_by', ARGV[3], 'taken', '')
end
local over = ARGV[8] == '1' and (expected == '' or taken ~= '')
local ttl = over and 0 or tonumber(ARGV[9])
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'base', ARGV[4], 'writes', ARGV[5],
  'until', math.floor(now_ms()) + ttl * 1000)
redis.call('EXPIRE', KEYS[1], math.max(ttl, tonumber(ARGV[10])))
return 1
