#!/usr/bin/env python3
"""Makes password_hashes.json: hashes of known passwords, each by the library that users bring such hashes from.

    python3 -m venv .venv && .venv/bin/pip install -r requirements.txt && .venv/bin/python make_password_hashes.py > password_hashes.json

It needs Python up to 3.12 (the module crypt, over libxcrypt) and PHP on the PATH. Salts are random: each run makes other hashes.
Costs are low where the library allows it: what is tested is the format, and a test that waits is not run.
"""

import crypt
import json
import subprocess
import sys
import warnings

import argon2
import argon2.low_level
import bcrypt
import django.conf
import passlib.hash
import werkzeug.security

warnings.filterwarnings("ignore")
django.conf.settings.configure()
from django.contrib.auth import hashers  # noqa: E402  (it reads the settings)

PASSWORDS = ["correct horse battery staple", "пароль ÿ£🐎", "p" * 100]
PEPPER = "a secret of the app"
vectors = []


def add(made_by, scheme, password, hashed, **more):
    vectors.append({"made_by": made_by, "scheme": scheme, "password": password, "hash": hashed, **more})


def cheap(hasher, **costs):
    return type("Cheap", (hasher,), costs)()


def of_django(password):
    for scheme, hasher in {
        "pbkdf2_sha256": cheap(hashers.PBKDF2PasswordHasher, iterations=1000),
        "pbkdf2_sha1": cheap(hashers.PBKDF2SHA1PasswordHasher, iterations=1000),
        "scrypt": cheap(hashers.ScryptPasswordHasher, work_factor=2**8),
        "bcrypt_sha256": cheap(hashers.BCryptSHA256PasswordHasher, rounds=4),
        "argon2id": cheap(hashers.Argon2PasswordHasher, time_cost=1, memory_cost=64, parallelism=2),
        "md5": hashers.MD5PasswordHasher(),
    }.items():
        add("django", scheme, password, hasher.encode(password, hasher.salt()))
    if len(password) <= 72:
        hasher = cheap(hashers.BCryptPasswordHasher, rounds=4)
        add("django", "bcrypt", password, hasher.encode(password, hasher.salt()))


def of_werkzeug(password):
    for method, scheme in {
        "pbkdf2:sha1:1000": "pbkdf2_sha1",
        "pbkdf2:sha256:1000": "pbkdf2_sha256",
        "pbkdf2:sha512:1000": "pbkdf2_sha512",
        "scrypt:256:8:1": "scrypt",
    }.items():
        add("werkzeug", scheme, password, werkzeug.security.generate_password_hash(password, method))


def of_passlib(password):
    of = passlib.hash
    for scheme, handler in {
        "pbkdf2_sha1": of.pbkdf2_sha1.using(rounds=1000),
        "pbkdf2_sha256": of.pbkdf2_sha256.using(rounds=1000),
        "pbkdf2_sha512": of.pbkdf2_sha512.using(rounds=1000),
        "scrypt": of.scrypt.using(rounds=8),
        "argon2id": of.argon2.using(type="ID", rounds=1, memory_cost=64),
        "phpass": of.phpass.using(rounds=8),
        "sha256_crypt": of.sha256_crypt.using(rounds=1000),
        "sha512_crypt": of.sha512_crypt.using(rounds=5000),
    }.items():
        add("passlib", scheme, password, handler.hash(password))
    for ident in ["H", "P"]:
        add("passlib", "phpass", password, of.phpass.using(rounds=7, ident=ident).hash(password))
    for version in [1, 2]:
        handler = of.bcrypt_sha256.using(rounds=4, version=version, ident="2a" if version == 1 else "2b")
        add("passlib", "bcrypt_sha256", password, handler.hash(password))
    for scheme, handler in {
        "sha1": [of.ldap_sha1, of.ldap_salted_sha1, of.hex_sha1, of.django_salted_sha1],
        "md5": [of.ldap_md5, of.ldap_salted_md5, of.hex_md5, of.django_salted_md5],
    }.items():
        for handler in handler:
            add("passlib", scheme, password, handler.hash(password))


def of_argon2_cffi(password):
    kinds = {"argon2d": argon2.Type.D, "argon2i": argon2.Type.I, "argon2id": argon2.Type.ID}
    for scheme, kind in kinds.items():
        for version in [16, 19]:
            hashed = argon2.low_level.hash_secret(password.encode(), b"somesalt" * 2, 2, 64, 2, 32, kind, version)
            add("argon2-cffi", scheme, password, hashed.decode())
            if version == 16:
                # As the reference implementation wrote it before there was a version.
                add("argon2-cffi", scheme, password, hashed.decode().replace("v=16$", ""))


def of_bcrypt(password):
    if len(password) > 72:
        return
    for prefix in [b"2a", b"2b"]:
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix)).decode()
        add("bcrypt", "bcrypt", password, hashed)
    peppered = bcrypt.hashpw((password + PEPPER).encode()[:72], bcrypt.gensalt(4, b"2a")).decode()
    add("bcrypt", "bcrypt", password, peppered, pepper=PEPPER)


def of_libxcrypt(password):
    salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
    for prefix, scheme in {"$2a$": "bcrypt", "$2b$": "bcrypt", "$2x$": "bcrypt_2x", "$2y$": "bcrypt"}.items():
        add("libxcrypt", scheme, password, crypt.crypt(password, prefix + salt[4:]))
    add("libxcrypt", "sha256_crypt", password, crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA256)))
    add("libxcrypt", "sha512_crypt", password, crypt.crypt(password, crypt.mksalt(crypt.METHOD_SHA512, rounds=1000)))


def of_php(password):
    for constant, options, scheme in [
        ("PASSWORD_BCRYPT", "['cost' => 4]", "bcrypt"),
        ("PASSWORD_ARGON2I", "['memory_cost' => 64, 'time_cost' => 1]", "argon2i"),
        ("PASSWORD_ARGON2ID", "['memory_cost' => 64, 'time_cost' => 1]", "argon2id"),
    ]:
        code = f"echo password_hash($argv[1], {constant}, {options});"
        hashed = subprocess.run(["php", "-r", code, "--", password], check=True, capture_output=True, text=True).stdout
        add("php", scheme, password, hashed)


def published():
    # https://github.com/firebase/scrypt, README.
    key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
    result = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    add(
        "firebase/scrypt",
        "firebase_scrypt",
        "user1password",
        f"$fbscrypt$v=1,n=14,r=8,p=1,ss=Bw==,sk={key}$42xEC+ixf3L2lw==${result}",
    )


for typed in PASSWORDS:
    for make in [of_django, of_werkzeug, of_passlib, of_argon2_cffi, of_bcrypt, of_libxcrypt, of_php]:
        make(typed)
published()
json.dump(vectors, sys.stdout, indent=1, ensure_ascii=False)
print()
