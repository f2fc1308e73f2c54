-- SPDX-License-Identifier: MIT
--
-- haproxy sends a request by FastCGI only when it knows the length of the body or has
-- all of it in one buffer, and a buffer must not be larger than a FastCGI record. A
-- longer body without Content-Length is read here as a whole, and the request is sent
-- on with its length, to the frontend "chunked".

local socket = os.getenv("CHUNKED_SOCKET")

-- One byte more than haproxy.cfg lets through, so that it refuses the request there.
local most_bytes = 1048576 + 1

local dropped = { connection = true, expect = true, ["transfer-encoding"] = true }

local failure = '{"type":"urn:buzon:problem:internal","title":"Internal error","status":500,"detail":"The web server failed.","code":"internal"}'

-- The request as text, after a line of the PROXY protocol that tells who the client is.
local function request(applet, body)
	local from, to = applet.f:src(), applet.f:dst()
	local query = applet.qs and applet.qs ~= "" and "?" .. applet.qs or ""
	local lines = {
		string.format("PROXY %s %s %s %d %d", from:find(":", 1, true) and "TCP6" or "TCP4",
			from, to, applet.f:src_port(), applet.f:dst_port()),
		applet.method .. " " .. applet.path .. query .. " HTTP/1.1",
		"content-length: " .. #body,
		"connection: close",
	}
	for name, values in pairs(applet.headers) do
		for index = 0, dropped[name] and -1 or #values do
			lines[#lines + 1] = name .. ": " .. values[index]
		end
	end
	return table.concat(lines, "\r\n") .. "\r\n\r\n" .. body
end

-- Sends the text of a request. Returns status, headers and body of the answer, or
-- nothing where there is none.
local function exchange(text)
	local connection, headers = core.tcp(), {}
	connection:settimeout(30)
	if not connection:connect(socket) or not connection:send(text) then
		return
	end
	local status = (connection:receive("*l") or ""):match("^HTTP/%S+ (%d+)")
	local line = connection:receive("*l")
	while line and line:find(":", 1, true) do
		local name, value = line:match("^(.-): ?(.-)\r?$")
		if not dropped[name:lower()] then
			headers[#headers + 1] = { name, value }
		end
		line = connection:receive("*l")
	end
	local body = line and connection:receive("*a")
	connection:close()
	if status and body then
		return tonumber(status), headers, body
	end
end

core.register_service("chunked", "http", function(applet)
	-- Returns when the body has ended as it should, and never when it was cut.
	local body = applet:receive(most_bytes)
	local status, headers, answer = exchange(request(applet, body))
	if not status then
		status, headers, answer = 500, { { "content-type", "application/problem+json" } }, failure
	end
	applet:set_status(status)
	for _, header in ipairs(headers) do
		applet:add_header(header[1], header[2])
	end
	applet:start_response()
	applet:send(answer)
end)
