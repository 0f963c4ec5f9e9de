/** Most bytes of an answer of a provider. */
const MOST_BYTES = 1 << 20;

/** Fetches like `fetch`, and fails when the answer is longer than a provider's may be. */
export async function limitedFetch(url: string | URL, options: RequestInit): Promise<Response> {
  const response = await fetch(url, options);
  let left = MOST_BYTES;
  const limit = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      left -= chunk.byteLength;
      if (left < 0) controller.error(new Error(`the answer has more than ${MOST_BYTES} bytes`));
      else controller.enqueue(chunk);
    },
  });
  const { status, statusText, headers } = response;
  return new Response(response.body?.pipeThrough(limit) ?? null, { status, statusText, headers });
}
