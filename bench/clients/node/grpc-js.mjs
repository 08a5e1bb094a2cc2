// @grpc/grpc-js: one client. Every second call asks for an order that there is not, which is an answer too.
import grpc from '@grpc/grpc-js';
import { run, url } from './workers.mjs';

const client = new grpc.Client(url.replace('http://', ''), grpc.credentials.createInsecure());
const same = (bytes) => bytes;

run(
  (_, body) =>
    new Promise((done, failed) => {
      // `int64 id = 1`
      const ask = Buffer.from([8, body ? 2 : 1]);
      client.makeUnaryRequest('/shop.v1.Shop/GetOrder', same, same, ask, (error) => {
        if (error && error.code !== grpc.status.NOT_FOUND) failed(error);
        else done(200);
      });
    }),
);
