#!/usr/bin/python3
"""Runs impacket against RPC over HTTP, as it is but for two things: it connects to a
port of any number, and each channel comes from an address of its own.

    rpcmap.py URL AUTH IN OUT map           impacket's own rpcmap.py, once
    rpcmap.py URL AUTH IN OUT call COUNT    COUNT virtual connections, a few calls on each

AUTH is none, or basic or ntlm and DOMAIN/user:password behind a colon. IN and OUT
are the addresses of the channels.
"""
import runpy
import ssl
import sys
from http.client import HTTPConnection, HTTPSConnection
from urllib.parse import urlsplit

from impacket.dcerpc.v5 import mgmt, transport
from impacket.http import HTTPClientSecurityProvider

RPCMAP = "/usr/share/doc/python3-impacket/examples/rpcmap.py"

url, login, address_in, address_out, what = sys.argv[1:6]
target = urlsplit(url)
scheme, _, account = login.partition(":")
addresses = [address_in, address_out]  # impacket opens IN first, then OUT


def connect(self, protocol, host):
    address = addresses[0]
    addresses.reverse()
    if target.scheme == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return HTTPSConnection(target.hostname, target.port, source_address=(address, 0), context=context)
    return HTTPConnection(target.hostname, target.port, source_address=(address, 0))


HTTPClientSecurityProvider.connect = connect
if scheme == "none":
    HTTPClientSecurityProvider.get_auth_headers = lambda self, *rest: ({}, None)
elif scheme == "basic":
    HTTPClientSecurityProvider.get_auth_headers = HTTPClientSecurityProvider.get_auth_headers_basic

if what == "map":
    port = {"http": 80, "https": 443}[target.scheme]
    sys.argv = [RPCMAP, "-auth-level", "1", "ncacn_http:mbx.lab.test[6001,RpcProxy=%s:%d]" % (target.hostname, port)]
    if account:
        sys.argv += ["-auth-transport", account]
    runpy.run_path(RPCMAP, run_name="__main__")
    sys.exit(0)

domain, _, rest = account.partition("/")
user, _, password = rest.partition(":")
for _ in range(int(sys.argv[6])):
    trans = transport.DCERPCTransportFactory("ncacn_http:mbx.lab.test[6001]")
    trans.set_rpc_proxy_url(url + "/rpc/rpcproxy.dll")
    trans.set_credentials(user, password, domain)
    dce = trans.get_dce_rpc()
    dce.connect()
    dce.bind(mgmt.MSRPC_UUID_MGMT)
    for _ in range(3):
        names = mgmt.hinq_princ_name(dce, 0, 64)["princ_name"]
    found = mgmt.hinq_if_ids(dce)["if_id_vector"]["count"]
    print("server %s, %d interfaces" % ("".join(c.decode() for c in names).rstrip("\0"), found))
    trans.close_rpc_in_channel()
    trans.close_rpc_out_channel()
