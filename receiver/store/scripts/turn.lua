-- End a worker's job and begin its next one, in one step; either may be left out.
-- KEYS: the claim list, the ledger, RQ's scheduled and failed registries of the queue.
-- ARGV: worker, retention (s), time (RQ's text),
--       the job to begin or '', its event's record, then what to write there as it begins: field or
--       '', value, what the field must still say ('' where it must not be there yet), and the index
--       of contacts: '', or its prefix, the event's time (ms) and id, and each contact;
--       the job that ends, how ('held', 'later', 'done', 'dead'), entry in the ledger or '', lane
--       or '', due at (s), forgotten at (s), reason, handler or '', its event's record, then what to
--       write there: field or '', value, what it says while the job is ours; and for each job
--       that follows: guard field, guard value, and the job.
-- The job that ends lets go of its claim once. Its outcome is written where it was claimed until
-- now, or where nobody else has begun it since its worker was taken for dead.
-- A job that ends for good leaves its lane to the next; what is tried again keeps its place there.
-- A job with a guard field is queued only if that field was not there yet.
-- Returns of the job to begin: 1 if it was begun; 0 if its event is gone, or
-- forgotten; -1 if it is another worker's by now, or somebody else was first to write.
local BEGIN, END, JOBS_FROM, PER_JOB, MOST_EVENTS = 4, 10, 22, 9, 10000
local retention, now = ARGV[2], ARGV[3]

local function write_outcome(claimed)
  local record, field, value, before = ARGV[END + 8], ARGV[END + 9], ARGV[END + 10], ARGV[END + 11]
  if field == '' then return end
  local known = redis.call('HMGET', record, 'event', 'forgotten')
  if not known[1] or known[2] then return end
  if not claimed and redis.call('HGET', record, field) ~= before then return end
  redis.call('HSET', record, field, value)
  for i = JOBS_FROM, #ARGV, PER_JOB do
    if redis.call('HSETNX', record, ARGV[i], ARGV[i + 1]) == 1 then
      enqueue(job_at(i + 2), now, retention, KEYS[2], true)
    end
  end
end

local function bury(id, key)
  redis.call('HSET', key, 'status', 'failed', 'ended_at', now, 'exc_info', ARGV[END + 6])
  if ARGV[END + 7] ~= '' then redis.call('HSET', key, 'handler', ARGV[END + 7]) end
  redis.call('EXPIRE', key, retention)
  keep_on(ARGV[END + 8], retention)
  redis.call('ZADD', KEYS[4], ARGV[END + 5], id)
end

local function finish(id, how, entry, lane)
  local claimed, key = redis.call('LREM', KEYS[1], 1, id) == 1, 'rq:job:' .. id
  write_outcome(claimed)
  if not claimed or how == 'held' then return end
  if how == 'later' then
    redis.call('HSET', key, 'status', 'scheduled')
    redis.call('ZADD', KEYS[3], ARGV[END + 4], id)
    return
  end
  if entry ~= '' then redis.call('ZREM', KEYS[2], entry) end
  leave(lane, id, KEYS[2])
  if how ~= 'done' then
    bury(id, key)
    return
  end
  redis.call('DEL', key)
  if ARGV[END + 8] ~= '' then wait_no_more(ARGV[END + 8], retention) end
end

-- A contact's list forgets what has expired as it learns; one event in sixteen sees to it.
local function index(words, kept)
  local prefix, ms, event, contacts = string.match(words, '^(%S+) (%d+) (%x+) (.*)$')
  for contact in string.gmatch(contacts, '%x+') do
    local key = prefix .. contact
    if redis.call('ZADD', key, ms, event) == 1 then
      redis.call('EXPIRE', key, kept)
      if string.sub(event, -1) == '0' then
        redis.call('ZREMRANGEBYSCORE', key, '-inf', ms - kept * 1000)
        redis.call('ZREMRANGEBYRANK', key, 0, -MOST_EVENTS - 1)
      end
    end
  end
end

local function begin(id, record, field, value, before, words)
  local key = 'rq:job:' .. id
  if not redis.call('LPOS', KEYS[1], id) or redis.call('EXISTS', key) == 0 then return -1 end
  local kept, forgotten = nil, nil
  if field ~= '' then
    local found = redis.call('HMGET', record, 'event', field, 'forgotten', 'keep')
    if not found[1] or found[3] then return 0 end
    if (found[2] or '') ~= before then return -1 end
    redis.call('HSET', record, field, value)
    kept = found[4]
  elseif words ~= '' then
    forgotten, kept = unpack(redis.call('HMGET', record, 'forgotten', 'keep'))
  end
  redis.call('HSET', key, 'status', 'started', 'worker_name', ARGV[1])
  if words ~= '' and not forgotten then index(words, kept or retention) end
  return 1
end

if ARGV[END] then finish(ARGV[END], ARGV[END + 1], ARGV[END + 2], ARGV[END + 3]) end
if ARGV[BEGIN] == '' then return 1 end
return begin(unpack(ARGV, BEGIN, END - 1))
