import { setNonce } from 'get-nonce';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { consoleUrl } from './api/client.ts';
import { App } from './app/app.tsx';
import { applyTheme } from './app/theme.ts';
import './styles.css';

// The server's <base> is relative to the address that was opened; the router is about to change that.
document.querySelector('base')?.setAttribute('href', consoleUrl.href);
// Dialogs lock the scrolling of the page with a <style> of their own; the content security policy lets it in by this nonce.
setNonce(document.querySelector<HTMLMetaElement>('meta[name="nonce"]')?.content ?? '');
applyTheme();

const root = document.getElementById('root');
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
