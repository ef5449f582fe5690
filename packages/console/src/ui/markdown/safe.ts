/** An address that a link may have: nothing that runs, nothing on this server by accident. */
export function safeUrl(href: string): string | undefined {
  if (!URL.canParse(href)) return undefined;
  return /^(https?|mailto):$/.test(new URL(href).protocol) ? href : undefined;
}

/** A picture that the page may show: one that is in the text itself. Others would tell their host who reads this. */
export const isInlineImage = (href: string): boolean =>
  /^data:image\/(png|jpeg|gif|webp|avif);base64,/.test(href);
