"""What a person does about what went wrong at a source: by the words of the cause, for every protocol. Pure."""

import re

_REMEDIES: tuple[tuple[str, str], ...] = (
    ("BadCertificateUntrusted", "compare the fingerprint with the machine's own certificate, then: chejian edge trust FILE FINGERPRINT"),
    ("BadCertificateRevoked", "have the authority issue a new certificate for the machine, and find out why the old one was revoked"),
    ("BadCertificateTimeInvalid", "see that the clocks of the machine and of this computer are right; renew the certificate if it has expired"),
    ("BadCertificateHostNameInvalid", "use in url a name that is in the certificate, renew the certificate, or write server_name in the source"),
    ("BadCertificateUriInvalid", "the certificate was made for another application: have the machine make its own; or correct server_uri"),
    ("BadCertificate", "have the machine make a new certificate for OPC UA"),
    (
        "BadSecurityPolicyRejected|is not offered",
        "switch the policy on at the machine, or write one that it offers; see docs/how-to/trust-a-machine.md",
    ),
    ("this edge has no certificate", "run: chejian edge certificate FILE"),
    (
        "BadSecurityChecksFailed",
        "let the machine's server trust this edge's certificate (chejian edge certificate FILE shows it), and look at the network",
    ),
    ("server needs the key of the certificate", "let the machine's server trust this edge's certificate (chejian edge certificate FILE shows it)"),
    (
        "BadIdentityToken|BadUserAccessDenied|bad user name|not authori[sz]ed|Not authorized",
        "correct user, password_file or user_certificate in the source",
    ),
    ("BadUserSignatureInvalid", "user_certificate and user_key must belong together, and the server must know the certificate"),
    (
        "BadNodeIdUnknown|BadNoMatch|BadNodeIdInvalid",
        "the machine has no such node (any more): correct the address; chejian edge discover lists what there is",
    ),
    ("BadTooManyMatches", "the path leads to several nodes: write the node's identifier instead"),
    ("has no namespace", "correct the namespace's URI in the address; the message lists those of the server"),
    ("no field|is not an array|elements, and no|is not a structure|say which", "correct what stands after # in the address"),
    ("does not describe", "the server does not tell what its structures are made of: ask its maker, or use plain variables"),
    ("BadNotReadable|BadNotSupported|BadUserAccess|BadAttributeIdInvalid", "let the user of the source read this node, at the machine"),
    ("BadTooMany|BadOutOfMemory|BadResourceUnavailable", "the server is at its limit: end other clients' sessions there, or ask for fewer signals"),
    ("BadResponseTooLarge|BadTcpMessageTooLarge", "this server does not behave like one: see what really listens there"),
    ("neither number nor text", "the value is an array, a structure or a time: write which member of it, as #[0] or #Name, after the address"),
    ("refused: nothing|Connection refused|Connect call failed", "start the server, or correct host and port"),
    (
        "No address associated|Name or service not known|nodename nor servname|Temporary failure in name",
        "correct the host's name, or this computer's DNS",
    ),
    ("Network is unreachable|No route to host", "see the cable, the address of this computer, and the router"),
    ("broker's certificate is refused", "put into tls.ca the authority of the broker's certificate, into server_name a name in it; see both clocks"),
    ("WRONG_VERSION_NUMBER|record layer failure", "nobody speaks TLS at this port: correct the port, or leave [source.tls] out"),
    ("wrong user or password", "correct user and password_file in the source"),
    ("does not speak this version", "write the other version of MQTT in version"),
    ("refuses the client id", "write in client_id the one that the broker grants"),
    ("another client with our id", "see that this edge does not run twice; give each source its own client_id"),
    ("the broker refuses", "let the broker's access list grant this user the topic"),
    ("closed by the broker|the broker disconnects us", "look into the broker's log; a port for TLS needs [source.tls]"),
    (
        "was not born yet|no birth yet",
        "see that the edge node is on and at this broker, and group and node in the address its own: chejian edge discover lists who is heard",
    ),
    ("the birth of .* has no metric", "correct what stands after # in the address; chejian edge discover lists the metrics of the births"),
    ("(edge node|device) .* died", "switch the edge node or device on, or see to its connection with the broker"),
    ("max_payload_bytes allows fewer", "raise max_payload_bytes, or have the machine send less at once"),
    ("nobody answers there", "switch the device on, or correct host and port"),
    ("unit \\d+: ", "correct unit in the parts of this machine, or see to the device behind the gateway"),
    ("the unit has no such register|does not know this kind", "correct table and number in the address: the device's manual counts from 0 or from 1"),
    ("the unit refuses so many", "let the source ask for fewer registers that lie far apart"),
    ("the agent has no data item|has no column|no column '", "correct the name in the address; it is written as the machine writes it"),
    ("not an MTConnect document", "correct url: it is the agent's, http://host:5000, and not that of a page about it"),
    ("refuses count=|an answer of more than .* bytes", "write a smaller count, or a larger max_bytes"),
    ("the agent answers", "look into the agent's log for why it refuses"),
    ("is it mounted|cannot be read", "see that the folder is mounted, and that the edge's user may read it"),
    ("has no number; add", "add the word and its number to the rule of the address"),
    ("All connection attempts failed", "start the agent, or correct host and port"),
    (
        "not JSON|is no value for|is no number|is not a number|not ISO 8601|has no zone|: missing$|in its expression|no whole number",
        "correct what stands after # in the address, or the payload block: what came does not fit the signal's kind there",
    ),
    (
        "no answer|timed out|nothing came within|nothing heard for|not a sign of life|no heartbeat|connection lost|ended the stream",
        "see that the machine is on and that no firewall stands between; raise timeout_s",
    ),
)


def remedy(cause: str) -> str:
    """What to do about this cause; empty where its own words have to do."""
    return next((cure for pattern, cure in _REMEDIES if re.search(pattern, cause)), "")


def clock_cause(source_time_us: int, received_us: int, max_skew_s: float) -> str:
    """That a machine's clock is wrong, in words; empty if it is right enough."""
    offset_s = (source_time_us - received_us) / 1_000_000
    if abs(offset_s) <= max_skew_s:
        return ""
    hours, minutes = divmod(round(abs(offset_s)) // 60, 60)
    said = f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h {minutes} min" if hours else f"{minutes} min"
    return f"the time of the value is {said} {'ahead of' if offset_s > 0 else 'behind'} this computer's clock, more than max_skew_s = {max_skew_s:g}"


CLOCK_CURE = "set the clock of the machine, or of this computer (chejian doctor shows it); a whole number of hours is a wrong time zone"
