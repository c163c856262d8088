"""Security policies by the names people write, and the choice of a server's endpoint: exactly what was asked for, or nothing."""

from collections.abc import Sequence

from asyncua import ua
from asyncua.crypto import security_policies

from gateway.errors import SecurityRefused

POLICIES: dict[str, type[security_policies.SecurityPolicy]] = {
    "None": security_policies.SecurityPolicyNone,
    "Basic256Sha256": security_policies.SecurityPolicyBasic256Sha256,
    "Aes128_Sha256_RsaOaep": security_policies.SecurityPolicyAes128Sha256RsaOaep,
    "Aes256_Sha256_RsaPss": security_policies.SecurityPolicyAes256Sha256RsaPss,
}
MODES = {
    "None": ua.MessageSecurityMode.None_,
    "Sign": ua.MessageSecurityMode.Sign,
    "SignAndEncrypt": ua.MessageSecurityMode.SignAndEncrypt,
}


def policy_name(uri: str | None) -> str:
    """`Basic256Sha256` from `http://opcfoundation.org/UA/SecurityPolicy#Basic256Sha256`."""
    return (uri or "").rpartition("#")[2]


def offer(endpoint: ua.EndpointDescription) -> str:
    """`policy/mode` of one endpoint description, for people."""
    mode = next((name for name, mode in MODES.items() if mode == endpoint.SecurityMode), str(endpoint.SecurityMode))
    return f"{policy_name(endpoint.SecurityPolicyUri)}/{mode}"


def choose(offers: Sequence[ua.EndpointDescription], policy: str, mode: str, url: str) -> ua.EndpointDescription:
    """The offered endpoint with exactly this policy and mode.

    Raises:
        SecurityRefused: there is none. Nothing weaker, and nothing else, is taken instead.
    """
    for each in offers:
        if policy_name(each.SecurityPolicyUri) == policy and each.SecurityMode == MODES[mode]:
            return each
    offered = ", ".join(sorted({offer(each) for each in offers})) or "nothing"
    raise SecurityRefused(
        f"{url} does not offer {policy}/{mode}; it offers {offered}; set 'security' of the endpoint in its site file"
    )
