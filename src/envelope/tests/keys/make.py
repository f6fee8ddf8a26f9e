"""Makes what the keys of these tests cannot: a certificate with an RSA key that is too short, and a
SHA-1 signature. Both keys are thrown away. Each run makes other ones; that is as good.

Run it where `cryptography` is (it comes with tests/aws/requirements.txt).
"""

import base64
import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

FOLDER = pathlib.Path(__file__).parent
# What rules.rs signs of its notification.
TEXT = """Message
{"AlarmName":"counter-errors"}
üñï "quoted" \\ back
MessageId
22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324
Subject
ALARM
Timestamp
2026-01-05T08:14:00.985Z
TopicArn
arn:aws:sns:eu-central-1:123456789012:demo-oncall
Type
Notification
"""


def certified(bits: int):
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2025, 1, 1))
        .not_valid_after(datetime.datetime(2027, 1, 1))
        .sign(key, hashes.SHA256())
    )
    return key, certificate.public_bytes(serialization.Encoding.PEM)


_, short = certified(1024)
(FOLDER / "rsa-1024.pem").write_bytes(short)
key, pem = certified(2048)
(FOLDER / "sha-1.pem").write_bytes(pem)
signature = key.sign(TEXT.encode(), padding.PKCS1v15(), hashes.SHA1())
(FOLDER / "sha-1.signature").write_bytes(base64.b64encode(signature) + b"\n")
