-- Begin a send, unless one of the same key was made, is being made, or was another SMS.
-- KEYS: the send. ARGV: fingerprint, time (ISO 8601), time (ms), retention (s), lease (ms).
-- Returns how it stands, with what is to be known of it: 'new'; 'sent' and what the provider said;
-- 'doubt' and when the attempt began of which nobody knows how it ended; 'busy' and for how many
-- ms; 'unknown', which cannot be asked; 'other', the key of an SMS that differs.
local found = redis.call('HMGET', KEYS[1], 'state', 'fingerprint', 'began', 'began_ms', 'sent')
local state, fingerprint, began = found[1], found[2], found[3]
local function begin(since)
  redis.call('HSET', KEYS[1], 'state', 'sending', 'fingerprint', ARGV[1], 'began', since,
    'began_ms', ARGV[3])
  redis.call('EXPIRE', KEYS[1], ARGV[4])
end

if not state or state == 'failed' then
  begin(ARGV[2])
  return {'new', ''}
end
if fingerprint ~= ARGV[1] then return {'other', ''} end
if state == 'sent' then return {'sent', found[5]} end
if state == 'unknown' then return {'unknown', ''} end
local left = found[4] + ARGV[5] - ARGV[3]
if state == 'sending' and left > 0 then return {'busy', tostring(left)} end
begin(began)
return {'doubt', began}
