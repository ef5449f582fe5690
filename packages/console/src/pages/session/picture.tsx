import type { ReactNode } from 'react';
import { isInlineImage, safeUrl } from '../../ui/markdown/safe.ts';
import type { ImageSource } from './model/items.ts';

/** A picture of the conversation. One on another host is only named: loading it would tell that host who reads this. */
export function Picture({ image, label }: { image: ImageSource; label: string }): ReactNode {
  if (image.kind === 'url') {
    const url = safeUrl(image.url);
    return url === undefined ? (
      <span>{label}</span>
    ) : (
      <a href={url} target="_blank" rel="noopener noreferrer" className="text-accent underline">
        {label}
      </a>
    );
  }
  const url = `data:${image.mediaType};base64,${image.data}`;
  return isInlineImage(url) ? (
    <img
      src={url}
      alt={label}
      className="m-2 max-h-96 max-w-[calc(100%-1rem)] rounded border object-contain"
    />
  ) : (
    <span className="p-3 text-muted">{label}</span>
  );
}
