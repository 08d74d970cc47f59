// A proxy as Hono's documentation writes one, with what a careful author adds: no redirect is followed for the device,
// no credential reaches the backend, no cookie comes back.
import { Hono } from "hono";
import { proxy } from "hono/proxy";

const app = new Hono<{ Bindings: { readonly BACKEND: string } }>();

app.all("/s/:service/*", async (c) => {
  const url = new URL(c.req.url);
  const response = await proxy(c.env.BACKEND + url.pathname + url.search, {
    // oxlint-disable-next-line typescript/no-misused-spread -- as Hono's documentation has it
    ...c.req,
    headers: {
      ...c.req.header(),
      "X-Forwarded-Host": c.req.header("host"),
      Authorization: undefined,
      Cookie: undefined,
    },
    redirect: "manual",
  });
  response.headers.delete("Set-Cookie");
  return response;
});

export { app as default };
