// libibverbs for Swift: calls that are macros, and requests whose unions Swift can't fill. No logic.
#include <errno.h>
#include <infiniband/verbs.h>
#include <string.h>

// All of these return 0 or an errno value, unless they say otherwise.

// A macro hides the current struct behind the old function's name.
static inline int mx_verbs_query_port(struct ibv_context *context, uint8_t port, struct ibv_port_attr *attributes) {
    return ibv_query_port(context, port, attributes);
}

// How many addresses were filled in, or -errno.
static inline ssize_t mx_verbs_query_addresses(struct ibv_context *context, struct ibv_gid_entry *entries, size_t limit) {
    return ibv_query_gid_table(context, entries, limit, 0);
}

// Registers memory as the range that begins at 0. NULL and errno when it fails.
static inline struct ibv_mr *mx_verbs_register(struct ibv_pd *domain, void *address, size_t length, unsigned access) {
    return ibv_reg_mr_iova(domain, address, length, 0, access);
}

// Registers memory of this process at its own address. NULL and errno when it fails.
static inline struct ibv_mr *mx_verbs_register_local(struct ibv_pd *domain, void *address, size_t length) {
    return ibv_reg_mr(domain, address, length, IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_RELAXED_ORDERING);
}

// What a queue pair connects to, and how.
struct mx_verbs_path {
    uint8_t port;
    uint8_t gid_index;
    // Whether packets carry a global routing header: always on Ethernet.
    uint8_t is_global;
    uint8_t traffic_class;
    uint8_t service_level;
    uint8_t mtu;
    uint8_t remote_gid[16];
    uint16_t remote_lid;
    uint32_t remote_queue_pair;
    uint32_t remote_sequence;
    uint32_t local_sequence;
    // Reads that the other side may have in flight, and that we may.
    uint8_t responder_depth;
    uint8_t initiator_depth;
    uint8_t timeout;
    uint8_t retries;
};

static inline int mx_verbs_initialize(struct ibv_qp *pair, uint8_t port, uint16_t pkey_index, unsigned access) {
    struct ibv_qp_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.qp_state = IBV_QPS_INIT;
    attributes.port_num = port;
    attributes.pkey_index = pkey_index;
    attributes.qp_access_flags = access;
    return ibv_modify_qp(pair, &attributes, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
}

static inline int mx_verbs_connect(struct ibv_qp *pair, const struct mx_verbs_path *path) {
    struct ibv_qp_attr attributes;
    int status;
    memset(&attributes, 0, sizeof attributes);
    attributes.qp_state = IBV_QPS_RTR;
    attributes.path_mtu = (enum ibv_mtu)path->mtu;
    attributes.dest_qp_num = path->remote_queue_pair;
    attributes.rq_psn = path->remote_sequence;
    attributes.max_dest_rd_atomic = path->responder_depth;
    attributes.min_rnr_timer = 12;
    attributes.ah_attr.port_num = path->port;
    attributes.ah_attr.dlid = path->remote_lid;
    attributes.ah_attr.sl = path->service_level;
    if (path->is_global) {
        attributes.ah_attr.is_global = 1;
        memcpy(attributes.ah_attr.grh.dgid.raw, path->remote_gid, sizeof path->remote_gid);
        attributes.ah_attr.grh.sgid_index = path->gid_index;
        attributes.ah_attr.grh.hop_limit = 64;
        attributes.ah_attr.grh.traffic_class = path->traffic_class;
    }
    status = ibv_modify_qp(
        pair, &attributes,
        IBV_QP_STATE | IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN | IBV_QP_MAX_DEST_RD_ATOMIC |
            IBV_QP_MIN_RNR_TIMER);
    if (status) return status;
    memset(&attributes, 0, sizeof attributes);
    attributes.qp_state = IBV_QPS_RTS;
    attributes.sq_psn = path->local_sequence;
    attributes.timeout = path->timeout;
    attributes.retry_cnt = path->retries;
    attributes.rnr_retry = 7;
    attributes.max_rd_atomic = path->initiator_depth;
    return ibv_modify_qp(
        pair, &attributes,
        IBV_QP_STATE | IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN | IBV_QP_MAX_QP_RD_ATOMIC);
}

static inline struct ibv_qp *mx_verbs_create_pair(struct ibv_pd *domain, struct ibv_cq *completions, uint32_t depth) {
    struct ibv_qp_init_attr attributes;
    memset(&attributes, 0, sizeof attributes);
    attributes.send_cq = completions;
    attributes.recv_cq = completions;
    attributes.qp_type = IBV_QPT_RC;
    attributes.sq_sig_all = 1;
    attributes.cap.max_send_wr = depth;
    attributes.cap.max_recv_wr = 1;
    attributes.cap.max_send_sge = 1;
    attributes.cap.max_recv_sge = 1;
    return ibv_create_qp(domain, &attributes);
}

// Asks for bytes of the other side's memory.
static inline int mx_verbs_post_read(
    struct ibv_qp *pair, uint64_t id, uint64_t local, uint32_t local_key, uint32_t length, uint64_t remote,
    uint32_t remote_key) {
    struct ibv_sge place = {.addr = local, .length = length, .lkey = local_key};
    struct ibv_send_wr request, *refused;
    memset(&request, 0, sizeof request);
    request.wr_id = id;
    request.sg_list = &place;
    request.num_sge = 1;
    request.opcode = IBV_WR_RDMA_READ;
    request.wr.rdma.remote_addr = remote;
    request.wr.rdma.rkey = remote_key;
    return ibv_post_send(pair, &request, &refused);
}

// Opens `length` bytes of a region, from its start, to be read by the other side of this queue pair alone; `key` is the key
// that it then needs.
static inline int mx_verbs_bind_window(
    struct ibv_qp *pair, struct ibv_mw *window, struct ibv_mr *region, uint64_t length, uint32_t *key) {
    struct ibv_send_wr request, *refused;
    int status;
    memset(&request, 0, sizeof request);
    request.opcode = IBV_WR_BIND_MW;
    request.bind_mw.mw = window;
    request.bind_mw.rkey = ibv_inc_rkey(window->rkey);
    request.bind_mw.bind_info.mr = region;
    request.bind_mw.bind_info.addr = 0;
    request.bind_mw.bind_info.length = length;
    request.bind_mw.bind_info.mw_access_flags = IBV_ACCESS_REMOTE_READ;
    status = ibv_post_send(pair, &request, &refused);
    if (status == 0) *key = request.bind_mw.rkey;
    return status;
}

// Registers memory of another device, as addresses from 0 on. NULL, and errno, where device or kernel can't.
static inline struct ibv_mr *mx_verbs_register_buffer(
    struct ibv_pd *domain, int descriptor, uint64_t offset, size_t length, int access) {
    return ibv_reg_dmabuf_mr(domain, offset, length, 0, descriptor, access);
}

// Whether a descriptor of a DMA buffer could be registered here: a kernel that knows how says that -1 is no descriptor.
static inline int mx_verbs_takes_dma_buffers(struct ibv_pd *domain) {
    struct ibv_mr *region = ibv_reg_dmabuf_mr(domain, 0, 4096, 0, -1, IBV_ACCESS_REMOTE_READ);
    if (region) {
        ibv_dereg_mr(region);
        return 1;
    }
    return errno == EBADF;
}
