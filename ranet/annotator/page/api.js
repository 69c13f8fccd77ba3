// Talking to the server. Every request carries the token that stands behind the # of the address.

const TOKEN = location.hash.slice(1);

async function request(path, options = {}) {
  let response;
  try {
    response = await fetch(path, {
      ...options,
      headers: { "X-RANet-Token": TOKEN, ...options.headers },
    });
  } catch {
    throw new Error("The annotator does not answer. It may have been ended in the terminal: start it again there.");
  }
  if (!response.ok) {
    const { error } = await response.json();
    throw new Error(error);
  }
  return response;
}

export async function get(path) {
  return (await request(path)).json();
}

export async function post(path, body = {}) {
  const response = await request(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  return response.json();
}

export async function picture(path) {
  return createImageBitmap(await (await request(path)).blob());
}
