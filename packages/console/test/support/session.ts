import type { Locator, Page } from 'playwright-core';

/** A picture of one pixel. */
export const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

export const field = (page: Page): Locator => page.getByRole('textbox', { name: 'Message to the agent' });
export const rows = (page: Page): Locator => page.getByRole('region', { name: 'Conversation' });
/** The card of a tool. */
export const card = (page: Page, tool: string): Locator => page.getByRole('article', { name: tool });

export async function send(page: Page, text: string): Promise<void> {
  await field(page).fill(text);
  await field(page).press('Enter');
}
