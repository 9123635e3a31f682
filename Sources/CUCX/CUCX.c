#include "CUCX.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucp/api/ucp.h>

// Every function that is called, by its name in the library.
#define FUNCTIONS(F)                                                                                                   \
    F(ucp_get_version_string)                                                                                          \
    F(ucs_status_string)                                                                                               \
    F(ucp_config_read)                                                                                                 \
    F(ucp_config_modify)                                                                                               \
    F(ucp_config_release)                                                                                              \
    F(ucp_init_version)                                                                                                \
    F(ucp_cleanup)                                                                                                     \
    F(ucp_mem_map)                                                                                                     \
    F(ucp_mem_unmap)                                                                                                   \
    F(ucp_rkey_pack)                                                                                                   \
    F(ucp_rkey_buffer_release)                                                                                         \
    F(ucp_worker_create)                                                                                               \
    F(ucp_worker_destroy)                                                                                              \
    F(ucp_worker_get_address)                                                                                          \
    F(ucp_worker_release_address)                                                                                      \
    F(ucp_worker_get_efd)                                                                                              \
    F(ucp_worker_progress)                                                                                             \
    F(ucp_worker_arm)                                                                                                  \
    F(ucp_ep_create)                                                                                                   \
    F(ucp_ep_close_nbx)                                                                                                \
    F(ucp_ep_print_info)                                                                                               \
    F(ucp_ep_rkey_unpack)                                                                                              \
    F(ucp_rkey_destroy)                                                                                                \
    F(ucp_get_nbx)                                                                                                     \
    F(ucp_put_nbx)                                                                                                     \
    F(ucp_request_free)

static struct {
#define DECLARE(name) __typeof__(name) *name;
    FUNCTIONS(DECLARE)
} ucx;

static void (*on_completed)(void *operation, int status);
static void (*on_failed)(void *owner, int status);

const char *mx_ucx_load(void (*completed)(void *, int), void (*failed)(void *, int)) {
    // Before its constructor reads them: it would log to standard output, where our own output goes, and print a trace of a crash
    // in place of the program's own. What the operator set stays.
    setenv("UCX_LOG_FILE", "stderr", 0);
    setenv("UCX_HANDLE_ERRORS", "none", 0);
    // Not linked: its constructors take over signals and patch the C library's memory calls, which only a process that asks
    // for UCX should have to live with. Never unloaded, for the same reason.
    void *ucp = dlopen("libucp.so.0", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!ucp) return dlerror();
#define RESOLVE(name)                                                                                                  \
    ucx.name = (__typeof__(name) *)dlsym(ucp, #name);                                                                  \
    if (!ucx.name) return dlerror();
    FUNCTIONS(RESOLVE)
    on_completed = completed;
    on_failed = failed;
    return NULL;
}

const char *mx_ucx_version(void) { return ucx.ucp_get_version_string(); }

const char *mx_ucx_status(int status) { return ucx.ucs_status_string((ucs_status_t)status); }

int mx_ucx_open(const struct mx_ucx_setting *settings, size_t count, mx_ucx_context **context) {
    ucp_config_t *config;
    ucs_status_t status = ucx.ucp_config_read(NULL, NULL, &config);
    if (status != UCS_OK) return status;
    for (size_t index = 0; index < count && status == UCS_OK; index++)
        status = ucx.ucp_config_modify(config, settings[index].name, settings[index].value);
    if (status == UCS_OK) {
        ucp_params_t parameters = {
            .field_mask = UCP_PARAM_FIELD_FEATURES | UCP_PARAM_FIELD_MT_WORKERS_SHARED,
            .features = UCP_FEATURE_RMA | UCP_FEATURE_WAKEUP,
            // Registering happens on other threads than the worker's.
            .mt_workers_shared = 1,
        };
        status = ucx.ucp_init_version(
            UCP_API_MAJOR, UCP_API_MINOR, &parameters, config, (ucp_context_h *)(void *)context);
    }
    ucx.ucp_config_release(config);
    return status;
}

void mx_ucx_close(mx_ucx_context *context) { ucx.ucp_cleanup((ucp_context_h)context); }

int mx_ucx_map(mx_ucx_context *context, void *address, size_t length, mx_ucx_memory **memory) {
    ucp_mem_map_params_t parameters = {
        .field_mask = UCP_MEM_MAP_PARAM_FIELD_ADDRESS | UCP_MEM_MAP_PARAM_FIELD_LENGTH,
        .address = address,
        .length = length,
    };
    return ucx.ucp_mem_map((ucp_context_h)context, &parameters, (ucp_mem_h *)(void *)memory);
}

void mx_ucx_unmap(mx_ucx_context *context, mx_ucx_memory *memory) {
    ucx.ucp_mem_unmap((ucp_context_h)context, (ucp_mem_h)memory);
}

ssize_t mx_ucx_pack(mx_ucx_context *context, mx_ucx_memory *memory, uint8_t *out, size_t limit) {
    void *packed;
    size_t length;
    ucs_status_t status = ucx.ucp_rkey_pack((ucp_context_h)context, (ucp_mem_h)memory, &packed, &length);
    if (status != UCS_OK) return status;
    if (length <= limit) memcpy(out, packed, length);
    ucx.ucp_rkey_buffer_release(packed);
    return length <= limit ? (ssize_t)length : UCS_ERR_BUFFER_TOO_SMALL;
}

int mx_ucx_worker_create(mx_ucx_context *context, mx_ucx_worker **worker) {
    ucp_worker_params_t parameters = {
        .field_mask = UCP_WORKER_PARAM_FIELD_THREAD_MODE,
        .thread_mode = UCS_THREAD_MODE_SERIALIZED,
    };
    return ucx.ucp_worker_create((ucp_context_h)context, &parameters, (ucp_worker_h *)(void *)worker);
}

void mx_ucx_worker_destroy(mx_ucx_worker *worker) { ucx.ucp_worker_destroy((ucp_worker_h)worker); }

ssize_t mx_ucx_worker_address(mx_ucx_worker *worker, uint8_t *out, size_t limit) {
    ucp_address_t *address;
    size_t length;
    ucs_status_t status = ucx.ucp_worker_get_address((ucp_worker_h)worker, &address, &length);
    if (status != UCS_OK) return status;
    if (length <= limit) memcpy(out, address, length);
    ucx.ucp_worker_release_address((ucp_worker_h)worker, address);
    return length <= limit ? (ssize_t)length : UCS_ERR_BUFFER_TOO_SMALL;
}

int mx_ucx_worker_descriptor(mx_ucx_worker *worker, int *descriptor) {
    return ucx.ucp_worker_get_efd((ucp_worker_h)worker, descriptor);
}

unsigned mx_ucx_progress(mx_ucx_worker *worker) { return ucx.ucp_worker_progress((ucp_worker_h)worker); }

int mx_ucx_arm(mx_ucx_worker *worker) {
    ucs_status_t status = ucx.ucp_worker_arm((ucp_worker_h)worker);
    return status == UCS_ERR_BUSY ? mx_ucx_in_progress : status;
}

static void endpoint_failed(void *owner, ucp_ep_h endpoint, ucs_status_t status) {
    (void)endpoint;
    on_failed(owner, status);
}

int mx_ucx_connect(mx_ucx_worker *worker, const uint8_t *address, void *owner, mx_ucx_endpoint **endpoint) {
    ucp_ep_params_t parameters = {
        .field_mask = UCP_EP_PARAM_FIELD_REMOTE_ADDRESS | UCP_EP_PARAM_FIELD_ERR_HANDLING_MODE |
                      UCP_EP_PARAM_FIELD_ERR_HANDLER,
        .address = (const ucp_address_t *)address,
        // Without it an endpoint can't be closed by force.
        .err_mode = UCP_ERR_HANDLING_MODE_PEER,
        .err_handler = {.cb = endpoint_failed, .arg = owner},
    };
    return ucx.ucp_ep_create((ucp_worker_h)worker, &parameters, (ucp_ep_h *)(void *)endpoint);
}

static void request_completed(void *request, ucs_status_t status, void *operation) {
    ucx.ucp_request_free(request);
    on_completed(operation, status);
}

static ucp_request_param_t request_parameters(void *operation) {
    return (ucp_request_param_t){
        .op_attr_mask = UCP_OP_ATTR_FIELD_CALLBACK | UCP_OP_ATTR_FIELD_USER_DATA,
        .cb.send = request_completed,
        .user_data = operation,
    };
}

static int status_of(ucs_status_ptr_t request) {
    if (request == NULL) return mx_ucx_ok;
    return UCS_PTR_IS_ERR(request) ? UCS_PTR_STATUS(request) : mx_ucx_in_progress;
}

int mx_ucx_disconnect(mx_ucx_endpoint *endpoint, void *operation) {
    ucp_request_param_t parameters = request_parameters(operation);
    parameters.op_attr_mask |= UCP_OP_ATTR_FIELD_FLAGS;
    parameters.flags = UCP_EP_CLOSE_FLAG_FORCE;
    return status_of(ucx.ucp_ep_close_nbx((ucp_ep_h)endpoint, &parameters));
}

ssize_t mx_ucx_describe(mx_ucx_endpoint *endpoint, char *out, size_t limit) {
    char *text = NULL;
    size_t length = 0;
    FILE *stream = open_memstream(&text, &length);
    if (!stream) return UCS_ERR_NO_MEMORY;
    ucx.ucp_ep_print_info((ucp_ep_h)endpoint, stream);
    if (fclose(stream) != 0) length = 0;
    if (length > limit) length = limit;
    memcpy(out, text, length);
    free(text);
    return (ssize_t)length;
}

int mx_ucx_unpack(mx_ucx_endpoint *endpoint, const uint8_t *packed, mx_ucx_key **key) {
    return ucx.ucp_ep_rkey_unpack((ucp_ep_h)endpoint, packed, (ucp_rkey_h *)(void *)key);
}

void mx_ucx_key_destroy(mx_ucx_key *key) { ucx.ucp_rkey_destroy((ucp_rkey_h)key); }

int mx_ucx_get(
    mx_ucx_endpoint *endpoint, mx_ucx_key *key, void *local, size_t length, uint64_t remote, void *operation) {
    ucp_request_param_t parameters = request_parameters(operation);
    return status_of(ucx.ucp_get_nbx((ucp_ep_h)endpoint, local, length, remote, (ucp_rkey_h)key, &parameters));
}

int mx_ucx_put(
    mx_ucx_endpoint *endpoint, mx_ucx_key *key, const void *local, size_t length, uint64_t remote, void *operation) {
    ucp_request_param_t parameters = request_parameters(operation);
    return status_of(ucx.ucp_put_nbx((ucp_ep_h)endpoint, local, length, remote, (ucp_rkey_h)key, &parameters));
}
