/** Work that nobody waits for: its failures are logged, and it counts while it lasts. */
export interface BackgroundWork {
  run(work: Promise<unknown>, what: string): void;
  isOver(): boolean;
}

export function createBackgroundWork(onError: (error: unknown, what: string) => void): BackgroundWork {
  let working = 0;
  return {
    run(work, what) {
      working += 1;
      const over = (): void => {
        working -= 1;
      };
      work.catch((error: unknown) => onError(error, what)).then(over, over);
    },
    isOver: () => working === 0,
  };
}
