-- What wrk does here beside asking. Environment variables say what:
--   TOKENS, COUNT: every request bears another one of the first COUNT tokens of this file, one a line;
--   RATE: so many requests a second in all, each connection waiting for the next turn that nobody has taken.
-- The summary goes to the file SUMMARY as JSON, for wrk rounds what it prints.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds, nanoseconds; } moment; int clock_gettime(int, moment *);")
local MONOTONIC = 1

local function milliseconds()
    local now = ffi.new("moment[1]")
    ffi.C.clock_gettime(MONOTONIC, now)
    return tonumber(now[0].seconds) * 1000 + tonumber(now[0].nanoseconds) / 1e6
end

local function bear_another_token_each_time()
    local count, tokens = tonumber(os.getenv("COUNT")), {}
    for token in io.lines(os.getenv("TOKENS")) do
        tokens[#tokens + 1] = token
        if #tokens == count then
            break
        end
    end
    wrk.headers["Authorization"] = "Bearer TOKEN"
    local before, after = wrk.format():match("^(.*)TOKEN(.*)$")
    -- Global: a thread's globals are all that can be read of it afterwards.
    used = 0
    function request()
        used = used + 1
        return before .. tokens[(used - 1) % #tokens + 1] .. after
    end
end

local function keep_pace(rate)
    local turn = milliseconds()
    function delay()
        turn = turn + 1000 / rate
        return math.max(0, turn - milliseconds())
    end
end

-- wrk looks for `request` and `delay` after this.
function init()
    if os.getenv("TOKENS") then
        bear_another_token_each_time()
    end
    if os.getenv("RATE") then
        keep_pace(tonumber(os.getenv("RATE")))
    end
end

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function done(summary, latency)
    local failed = summary.errors
    local used = 0
    for _, thread in ipairs(threads) do
        used = used + (thread:get("used") or 0)
    end
    local file = io.open(os.getenv("SUMMARY"), "w")
    file:write(string.format(
        '{"requests":%d,"seconds":%f,"bytes":%d,"p50":%d,"p99":%d,"other_statuses":%d,"broken":%d,"used":%d}',
        summary.requests, summary.duration / 1e6, summary.bytes, latency:percentile(50), latency:percentile(99),
        failed.status, failed.connect + failed.read + failed.write + failed.timeout, used))
    file:close()
end
