/// What the operator says about RDMA.
package struct VerbsSettings: Hashable, Sendable {
    /// `MX_RDMA_DEVICES`: names as `ibv_devices` lists them, or name:port; empty for all that are fit.
    package var devices: [String] = []
    /// `MX_RDMA_GID_INDEX`: the row of each port's address table; nil for the best.
    package var gidIndex: Int?
    /// `MX_RDMA_TRAFFIC_CLASS`: RoCE's DSCP in its upper six bits.
    package var trafficClass: UInt8 = 0
    /// `MX_RDMA_SERVICE_LEVEL`: 0 to 15.
    package var serviceLevel: UInt8 = 0
    /// `MX_RDMA_PKEY`: the partition; nil for the first of each port's table.
    package var partition: UInt16?
    /// `MX_RDMA_WINDOWS=off`: does without memory windows where a device's driver has them and they fail.
    package var usesWindows = true

    package init() {}
}
