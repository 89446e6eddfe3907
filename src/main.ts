// Loads the settings, starts the gateway, and turns signals into an orderly end. Nothing else.
import { startGateway } from './app.ts';
import { readConfig } from './config.ts';
import { GatewayError } from './errors.ts';

async function main(): Promise<void> {
  const gateway = await startGateway(readConfig());
  let stopping = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // A second signal means: now.
      if (stopping) process.exit(1);
      stopping = true;
      gateway.stop().then(
        () => process.exit(0),
        (error) => {
          console.error(error);
          process.exit(1);
        },
      );
    });
  }
}

/** What the system refuses has a code; what is a bug of ours has none and keeps its stack. */
function describeFailure(error: unknown): unknown {
  if (error instanceof GatewayError) return error.message;
  if (error instanceof Error && 'syscall' in error)
    return `${error.message}. Look at HOST, PORT, DATA_DIR and MODELS_DIR.`;
  return error;
}

main().catch((error: unknown) => {
  // What the person at the terminal can mend is said in one sentence.
  console.error(describeFailure(error));
  process.exit(1);
});
