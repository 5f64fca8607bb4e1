-- Accept all events of one callback: record, index and RQ job of each new one, or nothing at all.
-- KEYS: the index by time, the ledger.
-- ARGV: prefix, retention (s), time (ms), time (RQ's text), raw body, headers, then for each event:
--       id, record, alike or '', outcome or '', final ('1' or '0'), and its job.
-- alike names what an event looks like, outcome the message and recipient that a report is about.
-- Returns 1 for each new event and 0 for each that was known.
local PER_EVENT, ALIKE_MS = 11, 120000
local prefix, retention, received_ms, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local raw_in = false
local answer = {}

local function mark_if_alike(key, id, name)
  local alike = prefix .. ':alike:' .. name
  local before, before_ms = string.match(redis.call('GET', alike) or '', '^(%S+) (%d+)$')
  if before and math.abs(received_ms - before_ms) <= ALIKE_MS then
    redis.call('HSET', key, 'duplicate_of', before)
  end
  redis.call('SET', alike, id .. ' ' .. received_ms, 'PX', ALIKE_MS)
end

local function mark_if_stale(key, name, final)
  local outcome = prefix .. ':final:' .. name
  if redis.call('EXISTS', outcome) == 1 then
    redis.call('HSET', key, 'stale', 1)
  elseif final == '1' then
    redis.call('SET', outcome, 1, 'EX', retention)
  end
end

for i = 7, #ARGV, PER_EVENT do
  local id, key = ARGV[i], prefix .. ':event:' .. ARGV[i]
  if redis.call('EXISTS', key) == 1 then
    redis.call('HINCRBY', key, 'resends', 1)
    answer[#answer + 1] = 0
  else
    redis.call('HSET', key, 'event', ARGV[i + 1])
    if raw_in then
      redis.call('HSET', key, 'raw_in', raw_in)
    else
      redis.call('HSET', key, 'raw', ARGV[5], 'headers', ARGV[6])
      raw_in = id
    end
    if ARGV[i + 2] ~= '' then mark_if_alike(key, id, ARGV[i + 2]) end
    if ARGV[i + 3] ~= '' then mark_if_stale(key, ARGV[i + 3], ARGV[i + 4]) end
    redis.call('EXPIRE', key, retention)
    redis.call('ZADD', KEYS[1], received_ms, id)
    enqueue(job_at(i + 5), now, retention, KEYS[2])
    answer[#answer + 1] = 1
  end
end
-- The index forgets what has expired, a little more than it learns.
local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - retention * 1000,
  'LIMIT', 0, math.min(#answer + 10, 1000))
if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
return answer
