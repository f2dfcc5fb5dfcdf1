import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { AppModule } from './app.module.js';

const app = await NestFactory.create(AppModule);
// A signal closes the application: the module ends calls and streams, the server closes, and the clients last. Without
// `useProcessExit` Nest then ends by the signal, and the exit code is 143.
app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
await app.listen(process.env.PORT ?? 3000);
console.log(`listening on ${await app.getUrl()}`);
