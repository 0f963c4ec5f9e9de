/** The path below which the pages are, such as `/ci`; empty when that is the root. The server writes it into the page. */
export const PUBLIC_PATH =
  typeof document === 'undefined' ? '' : (document.querySelector<HTMLElement>('#root')?.dataset['path'] ?? '');
