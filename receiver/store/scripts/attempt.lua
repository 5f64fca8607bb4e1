-- Count an attempt at a password, if it may be made: of its address, and of all together.
-- KEYS: the count of the address, the count of all. ARGV: the most of each, how long they last (s).
-- What may not be made is not counted, so that one address keeps nobody else out, and makes no key.
-- Returns 1 if it may be made.
local of_one, of_all = tonumber(redis.call('GET', KEYS[1])) or 0, tonumber(redis.call('GET', KEYS[2])) or 0
if of_one >= tonumber(ARGV[1]) or of_all >= tonumber(ARGV[2]) then
  return 0
end
for _, key in ipairs(KEYS) do
  if redis.call('INCR', key) == 1 then
    redis.call('EXPIRE', key, ARGV[3])
  end
end
return 1
