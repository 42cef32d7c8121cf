"""Which messenger a talk's ``origin`` means (contract, section 5)."""

from __future__ import annotations

import re

from . import assumptions

#: Seen in documents, code or real hooks.
KNOWN = {
    "onlinechat": "site",
    "telegram": "telegram",
    "viber": "viber",
    "facebook": "facebook",
    "instagram_business": "instagram",
    "instagram": "instagram",
    "waba": "whatsapp",
    "com.amocrm.amocrmwa": "whatsapp",
    "amochats.whatsapp": "whatsapp",
    "com.wazzup24.wz": "whatsapp",
    "com.wazzup24-1": "whatsapp",
    "com.wazzup.whatsapp": "whatsapp",
    "com.wazzup24.insta": "instagram",
    "com.wazzup.instagram": "instagram",
    "com.amocrm.mail": "email",
    "com.ringcentral.sms": "sms",
    "com.apple.bm": "apple",
    "tiktok_kommo": "tiktok",
    "tiktok-kommo": "tiktok",
    "com.kommo.tiktokint": "tiktok",
    "mercadol": "mercadolibre",
    "mercado-libre": "mercadolibre",
    "lazada": "lazada",
    "lazada-integration": "lazada",
    "com.lazada.kommo": "lazada",
    "vk": "vk",
    "vkontakte": "vk",
    "avito": "avito",
    "ok": "ok",
    "max": "max",
    "whatsapp": "whatsapp",
}


def channel_of(origin: str | None) -> str | None:
    """The channel's word; the vendor's own where none fits, so that it can stand in the table of messengers too."""
    if not origin:
        return None
    origin = origin.strip().casefold()
    if origin in KNOWN:
        return KNOWN[origin]
    if origin.startswith("amo.ext."):
        return origin
    for piece, channel in assumptions.ORIGIN_PIECES:
        if piece in origin:
            return channel
    for word in re.split(r"[^a-z0-9]+", origin):
        if word in assumptions.ORIGIN_WORDS:
            return assumptions.ORIGIN_WORDS[word]
    return "whatsapp" if origin.startswith("com.wazzup") else origin or None
