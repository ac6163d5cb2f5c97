"""SIP messages as text, for peers that do what no well-behaved one does (RFC 3261 section 7)."""

Headers = dict[str, list[str]]


def headers_of(text: str) -> Headers:
    """Return a message's headers: names in lower case, every value of each."""
    found: Headers = {}
    for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:]:
        name, _, value = line.partition(":")
        found.setdefault(name.strip().lower(), []).append(value.strip())
    return found


def response(
    headers: Headers, status: str, tag: str = "", *, contact: int = 0, media: int = 0, more: tuple[str, ...] = ()
) -> bytes:
    """Return the response to a request. `contact`, `media`: ports of loopback, 0 for none; `more`: header lines."""
    body = ""
    if media:
        body = (
            "v=0\r\no=peer 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {media} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=ptime:20\r\na=sendrecv\r\n"
        )
    lines = [f"SIP/2.0 {status}", *(f"Via: {via}" for via in headers["via"]), f"From: {headers['from'][0]}"]
    lines += [f"To: {headers['to'][0]}{tag}", f"Call-ID: {headers['call-id'][0]}", f"CSeq: {headers['cseq'][0]}"]
    lines += [f"Contact: <sip:peer@127.0.0.1:{contact}>"] if contact else []
    lines += ["Content-Type: application/sdp"] if body else []
    return ("\r\n".join([*lines, *more]) + f"\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()
