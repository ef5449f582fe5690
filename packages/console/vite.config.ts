import { join } from 'node:path';
import tailwindcss from '@tailwindcss/vite';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  root: import.meta.dirname,
  // Relative, because the server may stand behind a path prefix; the page's <base> says where the console is.
  base: './',
  plugins: [react(), tailwindcss()],
  resolve: { conditions: ['claude-agent-source', 'module', 'browser', 'production'] },
  build: {
    target: 'es2023',
    // A data: URL of a font or picture would be one more thing that the content security policy has to allow.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 800,
    rolldownOptions: {
      input: { index: join(import.meta.dirname, 'index.html'), sw: join(import.meta.dirname, 'src/sw.ts') },
      // Browsers look for a new service worker under its old name, and its folder is what it may control.
      output: { entryFileNames: ({ name }) => (name === 'sw' ? 'sw.js' : 'assets/[name]-[hash].js') },
    },
  },
});
