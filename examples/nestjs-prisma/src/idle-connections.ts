import { type BeforeApplicationShutdown, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';

/** Ends the connections that fall idle while the server closes. Otherwise it waits until their clients leave. */
@Injectable()
export class IdleConnections implements BeforeApplicationShutdown, OnApplicationShutdown {
  private ending?: NodeJS.Timeout;

  constructor(private readonly host: HttpAdapterHost) {}

  beforeApplicationShutdown(): void {
    const server = this.host.httpAdapter.getHttpServer();
    this.ending = setInterval(() => {
      if (!server.listening) server.closeIdleConnections();
    }, 50);
  }

  onApplicationShutdown(): void {
    clearInterval(this.ending);
  }
}
