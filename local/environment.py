"""What the processes that are started here inherit of the caller's environment."""

from collections.abc import Mapping

_NEEDED = frozenset(
    {
        *("HOME", "LANG", "LOGNAME", "PATH", "TMPDIR", "TZ", "USER", "XDG_CACHE_HOME"),
        *("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
        *("REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    }
)


def needed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part that a process needs to run on this machine, without anybody's secrets.

    A setting left over in the caller's shell must not decide what is started either.
    """
    return {
        name: value
        for name, value in environment.items()
        if name in _NEEDED or name.startswith("LC_")
    }
