// The smallest Worker that forwards: fetch(url), and nothing else.
const worker = {
  fetch(request: Request, env: { readonly BACKEND: string }): Promise<Response> {
    return fetch(env.BACKEND + request.url.slice(request.url.indexOf("/", 8)));
  },
};

export { worker as default };
