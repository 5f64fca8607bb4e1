-- What SMSBox posts, a new one for each request; the load of `wrk`.
-- Arguments: kind, run, key, milliseconds between two requests of a connection, a file or '-'.
--   kind: smsbox, or lefoka for a report to 500 recipients
--   run: a number that no other run has; it begins all transaction ids
--   file: where '<transaction id> <time of its ack>' is written; '-' for none
-- The environment's CHECK has each answer read: 'status' wants 200, 'ack' SMSBox's ack as well;
-- whatever else comes is counted as `wrong`.
local RECIPIENTS = 500
local check = os.getenv('CHECK')
local count, first, pause, run, kind = 0, 0, 0, '', ''
wrong = 0

local function clock()
  local ffi = require('ffi')
  ffi.cdef('typedef struct { long s; long us; } when; int gettimeofday(when *, void *);')
  local now = ffi.new('when')
  return function()
    ffi.C.gettimeofday(now, nil)
    return string.format('%d.%06d', tonumber(now.s), tonumber(now.us))
  end
end

local function message()
  return '{"from": "+2557' .. string.format('%08d', (first + count) % 100000000)
    .. '", "to": "15000", "channel": "sms", "timeUTC": "Wed, 14 Jun 2017 07:00:00 GMT"'
    .. ', "transaction_id": "' .. run .. '-' .. count
    .. '", "message": {"text": "BALANCE please, for my account", "media": {}, "custom": {}}'
    .. ', "billing": {"currency": "TZS", "subscriber_price": "0", "billing_price": "0"}}'
end

local function report()
  local numbers = {}
  for i = 1, RECIPIENTS do
    numbers[i] = string.format('"+26377%07d"', (first + count * RECIPIENTS + i) % 10000000)
  end
  return '{"id": "' .. run .. '-' .. count .. '", "type": "sms", "recipient": ['
    .. table.concat(numbers, ', ') .. '], "status": "delivered", "credit": "1"'
    .. ', "creation_date": "2023-06-25T08:55:23+02:00"}'
end

local function read_answers(path)
  local log = path ~= '-' and io.open(path, 'w')
  local now = log and clock()
  response = function(status, _, body)
    local id = string.match(body, '"transaction_id": ?"([^"]+)"')
    local acked = id and string.match(body, '"successful": ?true')
    if status ~= 200 or (check == 'ack' and not acked) then wrong = wrong + 1 end
    if log and id then
      log:write(id, ' ', now(), '\n')
      log:flush()
    end
  end
end

function init(args)
  kind, run, pause = args[1], args[2], tonumber(args[4])
  math.randomseed(tonumber(run))
  first = math.random(0, 99999999)
  wrk.method = 'POST'
  wrk.headers['Content-Type'] = 'application/json'
  wrk.headers['X-API-Key'] = args[3]
  if check or args[5] ~= '-' then read_answers(args[5]) end
  -- around the pause, so that the connections do not march in step
  if pause > 0 then
    delay = function() return math.random(math.floor(pause * 0.5), math.ceil(pause * 1.5)) end
  end
end

function request()
  count = count + 1
  return wrk.format(nil, nil, nil, kind == 'lefoka' and report() or message())
end

local threads = {}
function setup(thread) threads[#threads + 1] = thread end

function done(summary, latency)
  local errors, bad = summary.errors, 0
  for _, thread in ipairs(threads) do bad = bad + (thread:get('wrong') or 0) end
  print(string.format('measured requests=%d us=%d faults=%d status=%d wrong=%d p50=%d p99=%d max=%d',
    summary.requests, summary.duration, errors.connect + errors.read + errors.write + errors.timeout,
    errors.status, bad, latency:percentile(50), latency:percentile(99), latency.max))
end
