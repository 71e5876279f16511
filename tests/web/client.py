"""A browser, or a program, in front of an app: keeps cookies, follows no redirect, runs each request to its end."""

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp


class Client:
    def __init__(
        self, app: ASGIApp, *, address: str = "192.0.2.1", url: str = "http://handles.test", token: str | None = None
    ) -> None:
        self._transport = httpx.ASGITransport(app, client=(address, 40_000))
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.cookies = httpx.Cookies()

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        return asyncio.run(self._request(method, path, headers=headers, **content))

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **options: Any) -> httpx.Response:
        return self.request("POST", path, **options)

    async def _request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None, **content: Any
    ) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url=self._url, cookies=self.cookies) as client:
            answer = await client.request(method, path, headers={**self._headers, **(headers or {})}, **content)
            self.cookies = client.cookies
        return answer
