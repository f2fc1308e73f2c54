-- SPDX-License-Identifier: MIT
--
-- Which replica lighttpd asks, and what it answers itself. lighttpd gives up when a
-- replica has closed or does not answer; this script sends a GET or HEAD to another
-- one then, and leaves such a replica out for a while. Belongs to 50-buzon.conf.

local request = lighty.r
local attributes, env = request.req_attr, request.req_env
local stats = lighty.server.plugin_stats

-- How many seconds a replica is left out, by lighttpd's status: one that refuses is
-- asked again soon, because that costs nothing. One that is silent costs whoever
-- asks it 6 s.
local PAUSE = { [500] = 1, [503] = 1, [504] = 10 }

local GATEWAY_TRAILER = " If this was a POST it may have been stored: send it again with its Idempotency-Key."
local PROBLEMS = {
	[400] = { "bad_request", "Bad request", "This is not a valid HTTP request." },
	[404] = { "not_found", "Not found", "There is nothing at this path; everything is below /api/." },
	[405] = { "method_not_allowed", "Method not allowed", "This method is not allowed here." },
	[408] = { "request_timeout", "Request timeout", "The request did not arrive in time." },
	[413] = { "body_too_large", "Body too large", "The body is larger than this server reads." },
	[414] = { "uri_too_long", "URI too long", "The request line is longer than this server reads." },
	[431] = { "headers_too_large", "Headers too large", "The headers are larger than this server reads." },
	[500] = { "internal", "Internal error", "The web server failed." },
	[502] = { "bad_gateway", "Bad gateway", "No replica of the service gave a whole answer." .. GATEWAY_TRAILER },
	[504] = { "gateway_timeout", "Gateway timeout", "The service did not answer in time." .. GATEWAY_TRAILER },
}

local function new_request_id()
	local sent = request.req_header["X-Request-ID"]
	if sent and #sent <= 128 and sent:find("^[\x21-\x7e]+$") then
		return sent
	end
	local words = {}
	for i = 1, 4 do
		words[i] = string.format("%08x", math.random(0, 0xffffffff))
	end
	return table.concat(words)
end

local function answer(status, content_type, body)
	local header = request.resp_header
	header["Content-Type"] = content_type
	header["X-Request-ID"] = new_request_id()
	header["X-Content-Type-Options"] = "nosniff"
	header["Cache-Control"] = "no-store"
	if status == 502 or status == 504 then
		header["Retry-After"] = "1"
	end
	request.resp_body.set(body)
	return status
end

local function problem(status)
	if status == 501 then
		-- A method that lighttpd does not know. It has not read the path then:
		-- these are allowed at each.
		status = 405
		request.resp_header["Allow"] = "GET, HEAD, OPTIONS"
	end
	local code, title, detail = table.unpack(PROBLEMS[status] or PROBLEMS[status < 500 and 400 or 500])
	return answer(status, "application/problem+json", string.format(
		'{"type":"urn:buzon:problem:%s","title":"%s","status":%d,"detail":"%s","code":"%s"}',
		code, title, status, detail, code))
end

local function panel_problem(status)
	if status == 413 then
		return answer(413, "text/plain", "What you send is larger than the 8 MiB that the database panel takes.\n")
	end
	return answer(status == 504 and 504 or 502, "text/plain",
		"The database panel does not answer. It may still be starting: try again in a few seconds.\n")
end

-- What is known of the replicas stays from one request to the next. Of each: `load`,
-- lighttpd's name of the number of its requests; `out_until`, 0 when it is in; `pause`,
-- how long it is out; `on_trial`, whether a request finds out if it is back.
local function get_replicas()
	local list = _G.buzon_replicas
	if not list then
		list = { turn = 0 }
		for key in pairs(stats) do
			local name = key:match("^gw%.backend%.(buzon%-%d+)%.load$")
			if name then
				list[#list + 1] = { name = name, load = key, out_until = 0 }
			end
		end
		_G.buzon_replicas = list
	end
	return list
end

local replicas = get_replicas()
local now = os.time()

local function leave_out(name, pause)
	for _, replica in ipairs(replicas) do
		if replica.name == name then
			replica.out_until, replica.pause, replica.on_trial = now + pause, pause, false
		end
	end
end

-- Takes those in whose trial has brought no bad news.
local function take_in()
	for _, replica in ipairs(replicas) do
		if replica.on_trial and now >= replica.out_until then
			replica.out_until, replica.on_trial = 0, false
		end
	end
end

-- Whether a replica is in a list of names.
local function has(names, replica)
	return (" " .. names .. " "):find(" " .. replica.name .. " ", 1, true)
end

-- The replica with the fewest requests, of those that are in and not in `tried`.
local function choose(tried)
	local best, best_load
	replicas.turn = replicas.turn + 1
	for step = 1, #replicas do
		local replica = replicas[(replicas.turn + step) % #replicas + 1]
		if replica.out_until == 0 and not has(tried, replica) then
			local load = stats[replica.load]
			if not best or load < best_load then
				best, best_load = replica, load
			end
		end
	end
	return best
end

-- One that is out and can be tried: because its time is over, or because there is no
-- other one (`any`).
local function choose_for_trial(tried, any)
	local best
	for _, replica in ipairs(replicas) do
		if replica.out_until ~= 0 and not has(tried, replica)
			and (any or (now >= replica.out_until and not replica.on_trial))
			and (not best or replica.out_until < best.out_until) then
			best = replica
		end
	end
	if best and not best.on_trial then
		best.on_trial, best.out_until = true, now + best.pause
	end
	return best
end

local function ask(replica, tried)
	env.BUZON_REPLICA = tried == "" and replica.name or tried .. " " .. replica.name
	attributes["uri.path"] = "/" .. replica.name .. "/"
end

local function any_is_silent()
	for _, replica in ipairs(replicas) do
		if replica.out_until ~= 0 and replica.pause == PAUSE[504] then
			return true
		end
	end
	return false
end

-- A reload ends connections that wait for their next request, also when that is on
-- its way. Whoever wants to spare clients that do not repeat it makes this file a second
-- before: then each connection ends with an answer that says so.
local drain = lighty.c.stat("/run/lighttpd/drain")
if drain and drain.st_mtime > now - lighty.server.stats.uptime then
	request.req_item.keep_alive = 0
end

take_in()

local failed = tonumber(env.REDIRECT_STATUS)
if failed then
	local target = attributes["request.orig-uri"] or ""
	if target:find("^/db/") then
		return panel_problem(failed)
	elseif failed == 400 and #target > 16384 then
		-- It did not fit into the FastCGI record.
		return problem(414)
	elseif not PAUSE[failed] then
		return problem(failed)
	end
	local tried = env.BUZON_REPLICA
	if tried then
		leave_out(tried:match("%S+$"), PAUSE[failed])
	end
	local replica = env.BUZON_AGAIN and (choose(tried) or choose_for_trial(tried, true))
	if not replica then
		return problem(failed == 504 and 504 or 502)
	end
	ask(replica, tried)
	if env.BUZON_AGAIN == "GET" then
		-- lighttpd calls its error handler once in a request, unless it has
		-- forgotten that it did. With HEAD it must remember: it would send a
		-- body otherwise.
		env.REDIRECT_STATUS = "000"
	end
	return
end

local path, method = attributes["uri.path"], attributes["request.method"]
if path ~= "/api" and not path:find("^/api/") then
	return problem(404)
elseif method == "GET" or method == "HEAD" then
	env.BUZON_AGAIN = method
	ask(choose_for_trial("") or choose("") or choose_for_trial("", true), "")
else
	local replica = any_is_silent() and choose("")
	if replica then
		ask(replica, "")
	else
		attributes["uri.path"] = "/buzon/"
	end
end
