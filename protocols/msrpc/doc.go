// Package msrpc reads and writes the PDUs of connection-oriented DCE/RPC, and
// the towers by which an endpoint mapper tells where interfaces listen. It does
// no I/O.
//
// A [Reader] cuts a stream into PDUs. A [Mapper] follows a client's connection to
// an endpoint mapper and puts our ports into its answers; an [Association] follows
// one to any other port up to its bind_ack; a [Probe] asks a server what it has.
//
// Byte order: integers of a PDU and of its stub stand in the order that its own
// header names, and both are read and written. Within a tower lengths and UUIDs
// are little-endian, ports and addresses big-endian, whatever the header says.
//
// What is signed cannot be changed: a PDU with an authentication trailer of a
// level above connect, which has no signatures, is passed on as it came.
//
// Specifications: [C706] is The Open Group's "DCE 1.1: Remote Procedure Call":
// chapter 12 (PDUs), chapter 14 (NDR), appendices I and L (towers) and O (the
// endpoint mapper). [MS-RPCE] extends it: NDR64, negotiation at bind time, the
// mapper's limits.
//
// Not implemented: the connectionless protocol, ept_insert and the like, which
// are calls within a server, and any authentication.
package msrpc
