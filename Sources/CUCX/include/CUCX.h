// UCX's one-sided reads for Swift, from a library that is loaded when it is asked for. Its parameters are structs with masks,
// unions and inline functions, none of which Swift imports well. No logic beyond that.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct mx_ucx_context mx_ucx_context;
typedef struct mx_ucx_worker mx_ucx_worker;
typedef struct mx_ucx_endpoint mx_ucx_endpoint;
typedef struct mx_ucx_memory mx_ucx_memory;
typedef struct mx_ucx_key mx_ucx_key;

// How calls end: 0 done, 1 under way (the handler follows), else a negative ucs_status_t.
enum { mx_ucx_ok = 0, mx_ucx_in_progress = 1 };

// Loads the library, once and for good; any thread, one at a time. NULL, or why it can't be used.
//   completed  a get or put that was under way has ended; within mx_ucx_progress of its worker
//   failed     an endpoint has broken: close it; within mx_ucx_progress, or a call on the endpoint
const char *mx_ucx_load(void (*completed)(void *operation, int status), void (*failed)(void *owner, int status));
const char *mx_ucx_version(void);
const char *mx_ucx_status(int status);

struct mx_ucx_setting {
    const char *name;
    const char *value;
};

// One-sided operations only, with wake-ups. `settings` take the place of the environment's, and of defaults.
int mx_ucx_open(const struct mx_ucx_setting *settings, size_t count, mx_ucx_context **context);
void mx_ucx_close(mx_ucx_context *context);

// Memory, registered with the context's device. Any thread.
int mx_ucx_map(mx_ucx_context *context, void *address, size_t length, mx_ucx_memory **memory);
void mx_ucx_unmap(mx_ucx_context *context, mx_ucx_memory *memory);
// What opens it to others. How long it is, or a negative status.
ssize_t mx_ucx_pack(mx_ucx_context *context, mx_ucx_memory *memory, uint8_t *out, size_t limit);

// A worker and all that belongs to it is one thread's at a time.
int mx_ucx_worker_create(mx_ucx_context *context, mx_ucx_worker **worker);
void mx_ucx_worker_destroy(mx_ucx_worker *worker);
ssize_t mx_ucx_worker_address(mx_ucx_worker *worker, uint8_t *out, size_t limit);
int mx_ucx_worker_descriptor(mx_ucx_worker *worker, int *descriptor);
unsigned mx_ucx_progress(mx_ucx_worker *worker);
// Before waiting on the descriptor: 0, or 1 when there is something to do first.
int mx_ucx_arm(mx_ucx_worker *worker);

// `owner` comes back with `failed`.
int mx_ucx_connect(mx_ucx_worker *worker, const uint8_t *address, void *owner, mx_ucx_endpoint **endpoint);
// By force: operations under way end, each with its handler. `operation` is this one's, when it is under way.
int mx_ucx_disconnect(mx_ucx_endpoint *endpoint, void *operation);
// UCX's words on what the endpoint runs over. How long they are, or a negative status.
ssize_t mx_ucx_describe(mx_ucx_endpoint *endpoint, char *out, size_t limit);

int mx_ucx_unpack(mx_ucx_endpoint *endpoint, const uint8_t *packed, mx_ucx_key **key);
void mx_ucx_key_destroy(mx_ucx_key *key);
int mx_ucx_get(
    mx_ucx_endpoint *endpoint, mx_ucx_key *key, void *local, size_t length, uint64_t remote, void *operation);
// What a hostile reader would use; only tests do.
int mx_ucx_put(
    mx_ucx_endpoint *endpoint, mx_ucx_key *key, const void *local, size_t length, uint64_t remote, void *operation);
