// The same bytes for every contender: a small GET as a device's HTTP library sends it, with its token.

export interface RequestParts {
  readonly className: string;
  readonly token: string;
}

export function requestBytes({ className, token }: RequestParts): Buffer {
  return Buffer.from(
    [
      `GET /s/echo/${className}/readings?last=10 HTTP/1.1`,
      "host: gateway.example",
      `authorization: Bearer ${token}`,
      "accept: application/json",
      "accept-encoding: gzip, deflate",
      "accept-language: en",
      "user-agent: device/1.0 (bench)",
      "",
      "",
    ].join("\r\n"),
  );
}
