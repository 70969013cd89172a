"""The web server seen from outside: its address, whether it may listen there, whether it is well."""

from __future__ import annotations

import http.client
import socket

from app.embedded.process import ServerError


def address(host: str, port: int) -> str:
    """The base URL of a listening address; IPv6 in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def check_port(host: str, port: int) -> None:
    """Say now, in one sentence, what gunicorn would say later in its log.

    Raises:
        ServerError: we cannot listen there.
    """
    try:
        family, kind, number, _, target = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, number) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            probe.bind(target)
    except socket.gaierror:
        raise ServerError(f"HOST“{host}”不是本机可用的地址，请改用 127.0.0.1 或 0.0.0.0。") from None
    except PermissionError:
        raise ServerError(f"没有权限监听端口 {port}，请用 PORT 指定 1024 以上的端口。") from None
    except OSError as error:
        cure = "请停止占用该端口的程序，或用 PORT 指定别的端口。"
        raise ServerError(f"无法监听 {host}:{port}（{error.strerror}），端口可能已被占用。{cure}") from None


def health(host: str, port: int) -> str:
    """The status code of /healthz as text, or what went wrong. Proxies of the environment are not asked."""
    target = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(target, port, timeout=10)
    try:
        connection.request("GET", "/healthz")
        return str(connection.getresponse().status)
    except (OSError, http.client.HTTPException) as error:
        return str(error)
    finally:
        connection.close()
