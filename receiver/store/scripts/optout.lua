-- Note that a number opted out of an account's messages, or in again: of two words the later counts.
-- KEYS: the account's opt-outs, its last opt-ins. ARGV: the number, or what stands for it; 'out' or
-- 'in'; the entry (JSON); the other name under which an entry may lie from before, or ''.
-- An entry's time is ISO 8601 in UTC with milliseconds: what is later is greater.
-- What a provider says does not replace what the person has said.
-- Returns 1 if that is how it stands now; 0 if a later word is known.
local function entry_at(key)
  local found = redis.call('HMGET', key, ARGV[1], ARGV[4])
  local text = found[1] or found[2]
  return text and cjson.decode(text) or {at = ''}
end

local function write(key, text)
  redis.call('HSET', key, ARGV[1], text)
  redis.call('HDEL', key, ARGV[4])
end

local out, back, new = entry_at(KEYS[1]), entry_at(KEYS[2]), cjson.decode(ARGV[3])
if ARGV[2] == 'out' then
  if back.at > new.at then return 0 end
  local said_before = new.source == 'provider' and (out.source or 'message') == 'message'
  if out.at == '' or (out.at <= new.at and not said_before) then
    write(KEYS[1], ARGV[3])
  end
  return 1
end
if out.at >= new.at then return 0 end
if back.at < new.at then
  if out.at ~= '' then new.ended = out end
  write(KEYS[2], cjson.encode(new))
  redis.call('HDEL', KEYS[1], ARGV[1], ARGV[4])
end
return 1
