import type { MillraceError } from '@millrace/domain';
import { errorAnswer } from '@millrace/master';
import type { FastifyReply, FastifyRequest } from 'fastify';

const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'";
const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Answers a login that failed: a page for browsers, JSON for everybody else. */
export function sendLoginFailure(
  request: FastifyRequest,
  reply: FastifyReply,
  { error, again }: { readonly error: MillraceError; readonly again: string },
): FastifyReply {
  const { status, body } = errorAnswer(error);
  void reply.status(status).header('cache-control', 'no-store');
  if (!(request.headers.accept ?? '').includes('text/html')) return reply.send(body);
  return reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(pageOf(error, again));
}

function pageOf({ code, message }: MillraceError, again: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Not signed in</title>
<style>:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif } body { max-width: 40rem; margin: 4rem auto; padding: 0 1rem }</style>
<h1>You are not signed in</h1>
<p>${escaped(message)}</p>
<p><small>${escaped(code)}</small></p>
<p><a href="${escaped(again)}">Sign in again</a></p>
</html>
`;
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character]!);
}
