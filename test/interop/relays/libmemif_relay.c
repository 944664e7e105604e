/*
 * A relay over libmemif, the interop matrix's peer: two interfaces on one socket, ids 0 and 1, each frame that comes by one goes
 * out by the other. Says `connected` and `disconnected` for each.
 *
 *   libmemif_relay server|client SOCKET QUEUES interrupt|polling
 */
#include <libmemif.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kBuffers = 256, kBufferSize = 2048 };

struct interface {
  memif_conn_handle_t conn;
  struct interface *other;
  bool connected;
};

static struct interface ends[2];
static int queues;
static bool polling;

static void expect(int error, const char *what) {
  if (error != MEMIF_ERR_SUCCESS) {
    fprintf(stderr, "%s: %s\n", what, memif_strerror(error));
    exit(1);
  }
}

static int on_connect(memif_conn_handle_t conn, void *context) {
  struct interface *me = context;
  for (int q = 0; q < queues; ++q) {
    if (polling) {
      expect(memif_set_rx_mode(conn, MEMIF_RX_MODE_POLLING, q), "set_rx_mode");
    }
    expect(memif_refill_queue(conn, q, -1, 0), "refill_queue");
  }
  me->connected = true;
  puts("connected");
  return 0;
}

static int on_disconnect(memif_conn_handle_t conn, void *context) {
  (void)conn;
  ((struct interface *)context)->connected = false;
  puts("disconnected");
  return 0;
}

/* Copies buffer by buffer, chains with their flags; waits while the other side's ring is full. */
static void send_all(struct interface *to, uint16_t q, memif_buffer_t *from, uint16_t count) {
  while (count > 0 && to->connected) {
    memif_buffer_t buffers[kBuffers];
    uint16_t got = 0;
    uint16_t sent = 0;
    memif_buffer_alloc(to->conn, q, buffers, count, &got, kBufferSize);
    for (uint16_t i = 0; i < got; ++i) {
      memcpy(buffers[i].data, from[i].data, from[i].len);
      buffers[i].len = from[i].len;
      buffers[i].flags = from[i].flags;
    }
    if (got > 0 && memif_tx_burst(to->conn, q, buffers, got, &sent) != MEMIF_ERR_SUCCESS) {
      return;
    }
    from += sent;
    count -= sent;
  }
}

static int relay(memif_conn_handle_t conn, void *context, uint16_t q) {
  struct interface *me = context;
  memif_buffer_t buffers[kBuffers];
  uint16_t count = 0;
  do {
    /* It says NOBUF when more wait than fit; those that fit have come. */
    const int error = memif_rx_burst(conn, q, buffers, kBuffers, &count);
    if (error != MEMIF_ERR_SUCCESS && error != MEMIF_ERR_NOBUF) {
      return 0;
    }
    send_all(me->other, q, buffers, count);
    memif_refill_queue(conn, q, count, 0);
  } while (count > 0);
  return 0;
}

static void look_at_all(void) {
  for (int i = 0; i < 2; ++i) {
    for (int q = 0; q < queues && ends[i].connected; ++q) {
      relay(ends[i].conn, &ends[i], q);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fputs("usage: libmemif_relay server|client SOCKET QUEUES interrupt|polling\n", stderr);
    return 2;
  }
  setlinebuf(stdout);
  const bool server = strcmp(argv[1], "server") == 0;
  queues = atoi(argv[3]);
  polling = strcmp(argv[4], "polling") == 0;

  memif_socket_args_t place = {.app_name = "libmemif_relay"};
  snprintf(place.path, sizeof place.path, "%s", argv[2]);
  if (!server) {
    place.connection_request_timer.it_value.tv_nsec = 1;
    place.connection_request_timer.it_interval.tv_nsec = 100000000;
  }
  memif_socket_handle_t socket = NULL;
  expect(memif_create_socket(&socket, &place, NULL), "create_socket");
  for (int i = 0; i < 2; ++i) {
    ends[i].other = &ends[1 - i];
    memif_conn_args_t args = {.socket = socket,
                              .num_s2m_rings = queues,
                              .num_m2s_rings = queues,
                              .buffer_size = kBufferSize,
                              .log2_ring_size = 10,
                              .is_master = server,
                              .interface_id = i};
    snprintf((char *)args.interface_name, sizeof args.interface_name, "end%d", i);
    expect(memif_create(&ends[i].conn, &args, on_connect, on_disconnect, relay, &ends[i]), "create");
  }
  /*
   * memif_rx_burst() (4.0) empties the eventfd after it has looked at the ring, so a doorbell in between is lost: we look
   * again when nothing has come for 10 ms.
   */
  for (;;) {
    expect(memif_poll_event(socket, polling ? 0 : 10), "poll_event");
    look_at_all();
  }
}
