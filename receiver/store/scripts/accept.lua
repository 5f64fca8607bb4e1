-- Accept all events of one callback: record, index and RQ job of each new one, or nothing at all.
-- KEYS: the index by time, the ledger.
-- ARGV: prefix, retention (s), time (ms), time (RQ's text), the body as it is packed, 'asked' or '',
--       the longest retention of any account (s), 'keep' where this one is its account's own or '',
--       then for each event: id, record, alike or '', outcome or '', word, final ('1' or '0'), its job.
-- alike names what an event looks like, outcome the message and recipient that a report is about.
-- 'asked': we asked the provider for this, so that a report's dates may differ from the webhook's:
-- the word alone tells whether it came before. So it does for a webhook after asking.
-- Returns 1 for each new event and 0 for each that was known.
local FIRST, PER_EVENT, ALIKE_MS, RARELY = 9, 13, 120000, 16
local prefix, retention, received_ms, now = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local asked = ARGV[6] ~= ''
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

-- Give the id under which an event came before, if it did; else whether a final word is known.
local function known_as(id, name, word)
  if redis.call('EXISTS', prefix .. ':event:' .. id) == 1 then return id end
  if name == '' then return nil end
  local told = redis.call('HMGET', prefix .. ':outcome:' .. name, word, '(final)')
  local how, other = string.match(told[1] or '', '^(%S+) (%S+)$')
  if other and (asked or how == 'asked') then return other end
  return nil, told[2]
end

local function note_outcome(key, id, name, word, final, was_final)
  local outcome, told = prefix .. ':outcome:' .. name, (asked and 'asked ' or 'pushed ') .. id
  if was_final then
    redis.call('HSET', key, 'stale', 1)
  end
  if final == '1' and not was_final then
    redis.call('HSET', outcome, word, told, '(final)', 1)
  else
    redis.call('HSET', outcome, word, told)
  end
  redis.call('EXPIRE', outcome, retention)
end

-- Write an event that is new: its record, its place in the index, its job.
local function write(i, id, key)
  if raw_in then
    redis.call('HSET', key, 'event', ARGV[i + 1], 'raw_in', raw_in)
  else
    redis.call('HSET', key, 'event', ARGV[i + 1], 'raw', ARGV[5])
    raw_in = id
  end
  if ARGV[8] ~= '' then redis.call('HSET', key, ARGV[8], retention) end
  redis.call('EXPIRE', key, math.max(retention, WAITS))
  redis.call('ZADD', KEYS[1], received_ms, id)
  enqueue(job_at(i + 6), now, retention, KEYS[2])
end

for i = FIRST, #ARGV, PER_EVENT do
  local id, name, word = ARGV[i], ARGV[i + 3], ARGV[i + 4]
  local key, known, was_final = prefix .. ':event:' .. id, known_as(id, name, word)
  if known then
    local record = prefix .. ':event:' .. known
    if not asked and redis.call('EXISTS', record) == 1 then
      redis.call('HINCRBY', record, 'resends', 1)
    end
    answer[#answer + 1] = 0
  else
    local written, problem = pcall(write, i, id, key)
    if not written then  -- the record alone would pass for an event that came before
      local job = job_at(i + 6)
      redis.call('DEL', key, 'rq:job:' .. job.id)
      redis.pcall('ZREM', KEYS[1], id)
      redis.pcall('ZREM', KEYS[2], job.entry)
      redis.pcall('LREM', 'rq:queue:' .. job.queue, -1, job.id)
      if job.lane ~= '' then pcall(drop, job.lane, job.id) end
      error(problem, 0)  -- with no place before it: its first word says what kind it is
    end
    -- only now: what is refused must not be found by itself when it comes again
    if ARGV[i + 2] ~= '' then mark_if_alike(key, id, ARGV[i + 2]) end
    if name ~= '' then note_outcome(key, id, name, word, ARGV[i + 5], was_final) end
    answer[#answer + 1] = 1
  end
end
-- The index forgets what has expired, a little more than it learns: one callback in sixteen sees to it.
if #answer >= RARELY or received_ms % RARELY == 0 then
  local old = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_ms() - ARGV[7] * 1000,
    'LIMIT', 0, math.min(RARELY * #answer + 10, 1000))
  if #old > 0 then redis.call('ZREM', KEYS[1], unpack(old)) end
end
return answer
