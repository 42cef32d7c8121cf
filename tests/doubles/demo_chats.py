"""Invented chats of a curtain shop for `make demo`: the same chat for the same number, whenever it is asked for.

Nobody in them exists: telephone numbers are +7 900 000-xx-xx and 8 495 000-xx-xx, addresses end in .example.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

Order = dict[str, Any]

DAY = 86_400

#: Site, page, title, and what is said: visitor and operator in turns, the visitor first.
TOPICS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    (
        *("romashka-shtory.example", "blackout", "Шторы блэкаут"),
        (
            "Здравствуйте! Блэкаут полностью не пропускает свет? Окно {side}, в {room} с пяти утра солнце.",
            "Здравствуйте! Затемнение 95–100%, зависит от ткани. Какая ширина окна?",
            "{width} см, потолок {height}",
            "Тогда понадобится две полосы по {half} см. С пошивом выйдет около {price} ₽.",
            "А {colour} есть в наличии?",
            "Есть, могу прислать фото образца. Оформляем замер?",
            "Да, давайте на {day}",
        ),
    ),
    (
        *("romashka-shtory.example", "rimskie", "Римские шторы"),
        (
            "Добрый день, сколько стоит римская штора на кухню {width} × {tall}?",
            "Добрый день! От {price} ₽ с цепочным механизмом и доставкой.",
            "А лён можно? {colour}",
            "Можно, льна сейчас четырнадцать оттенков. Срок пошива — 6–8 рабочих дней.",
            "Хорошо, подумаю, спасибо",
        ),
    ),
    (
        *("romashka-shtory.example", "tul", "Тюль и вуаль"),
        (
            "Подскажите, тюль без утяжелителя будет нормально лежать?",
            "Лён и сетка лягут и без него, вуаль лучше с утяжелителем: +120 ₽ за метр.",
            "Нужен {colour}, {width} см, высота {height}",
            "Считаю с коэффициентом 2: {price} ₽ вместе с лентой.",
            "Понятно. Можно приехать посмотреть вживую?",
            "Конечно, мы на Садовой с 10 до 20 каждый день.",
        ),
    ),
    (
        *("romashka-karniz.example", "elektro", "Электрокарнизы"),
        (
            "Здравствуйте. Электрокарниз с Алисой работает?",
            "Здравствуйте! Да, через Wi-Fi-модуль, он идёт в комплекте с моделью {model}.",
            "Длина нужна {width} см, плюс эркер",
            "Эркер гнём под размер, это +4 500 ₽. Итого примерно {price} ₽.",
            "Монтаж отдельно?",
            "Монтаж 3 000 ₽ за карниз, гарантия два года.",
            "Отлично, жду звонка",
        ),
    ),
    (
        *("romashka-karniz.example", "profilnye", "Профильные карнизы"),
        (
            "Потолок натяжной, закладная уже есть. Какой карниз подойдёт?",
            "Подойдёт встраиваемый профиль. Закладная от стены на сколько сантиметров?",
            "Примерно 12",
            "Отлично, хватит на два ряда. {width} см — {price} ₽.",
        ),
    ),
    (
        *("romashka-shtory.example", "detskaya", "Шторы в детскую"),
        (
            "Ищу шторы в детскую, мальчику {age} лет, нравятся космос и {colour} цвет",
            "Есть коллекция «Орбита» и однотонные компаньоны к ней. Прислать подборку?",
            "Да, пожалуйста. Ткань гипоаллергенная?",
            "Да, сертификат приложу. Стирка при 30 градусах.",
            "Здорово! Сколько будет на окно {width} см?",
            "С пошивом и лентой {price} ₽.",
        ),
    ),
    (
        *("romashka-shtory.example", "zamer", "Вызов дизайнера"),
        (
            "Замер у вас платный?",
            "По городу бесплатно, в область — 900 ₽, при заказе вычитаем.",
            "Живу в {town}, можно на {day}?",
            "Можно, с 11 до 14. Дизайнер возьмёт образцы {colour} гаммы. Оставите телефон?",
            "{phone}",
            "Записано, спасибо! За час позвоним.",
        ),
    ),
    (
        *("romashka-shtory.example", "dostavka", "Доставка и оплата"),
        (
            "Мой заказ был готов ещё в {day}, когда доставка?",
            "Сейчас посмотрю. Назовите, пожалуйста, номер заказа.",
            "{order}",
            "Заказ у курьера, сегодня с 18 до 22. Он позвонит за полчаса.",
            "Спасибо, буду ждать",
        ),
    ),
    (
        *("romashka-shtory.example", "uhod", "Уход за шторами"),
        (
            "Шторы сели после стирки на {shrink} см, это нормально?",
            "До 3% — допустимая усадка для хлопка. Какая у вас ткань и температура стирки?",
            "Хлопок, 40 градусов",
            "По ярлыку 30. Можно распустить подгиб, мы это сделаем за 900 ₽.",
            "Ладно, привезу на неделе",
        ),
    ),
    (
        *("romashka-shtory.example", "ofis", "Шторы для офиса"),
        (
            "Добрый день! Нужны рулонные шторы в офис, {count} окон, работаете с юрлицами?",
            "Добрый день! Да, по договору и с НДС. Окна одинаковые?",
            "Да, {width} × {tall}, открывание на себя",
            "Ориентир {price} ₽ за окно, от десяти окон скидка 8%. Куда прислать предложение?",
            "{email}",
            "Отправлю в течение часа.",
        ),
    ),
    (
        *("romashka-shtory.example", "pokryvala", "Покрывала и подушки"),
        (
            "Шьёте покрывала из той же ткани, что шторы?",
            "Да, из любой ткани коллекции. Какой размер кровати?",
            "160 на 200, {colour}",
            "Стёганое покрывало с чехлами на две подушки — {price} ₽.",
            "Дороговато, но красиво. Скиньте варианты",
        ),
    ),
    (
        *("romashka-shtory.example", "rasprodazha", "Распродажа остатков"),
        (
            "Остаток ткани {colour} 3,2 м ещё есть?",
            "Остался один отрез, 3,1 м. Отложить до {day}?",
            "Да, отложите",
            "Готово, отложено на ваше имя.",
        ),
    ),
    (
        *("romashka-shtory.example", "", "Ромашка. Шторы"),
        (
            "Есть кто живой?",
            "Да, здравствуйте! Чем помочь?",
            "Хочу понять порядок цен на {room}, окно {width} см",
            "Тюль и портьеры из средней коллекции — {price} ₽ с пошивом. Подобрать варианты?",
            "да",
            "Напишите, какие цвета в интерьере, и пришлю три варианта сегодня.",
        ),
    ),
    (
        *("romashka-shtory.example", "kontakty", "Контакты"),
        ("Вы в воскресенье работаете?", "Да, с 11 до 18. Ждём вас!"),
    ),
)

#: What people leave in the form while nobody is there.
REQUESTS = (
    "Перезвоните, пожалуйста, нужен замер на {day}. Окно {width} см.",
    "Сколько стоит пошив штор из моей ткани? Отрез 6 метров, {colour}.",
    "Интересует электрокарниз {width} см с пультом. Звоните после 18.",
    "Здравствуйте! Можно каталог тканей на почту {email}?",
    "Нужны шторы в {room}, бюджет до {price} ₽. Что посоветуете?",
)

#: Where a visitor of the site came from: how often, and the marks of the address; none is a direct visit or a search.
ORIGINS: tuple[tuple[int, dict[str, str]], ...] = (
    (9, {"source": "yandex", "medium": "cpc", "campaign": "brand_msk", "term": "ромашка шторы"}),
    (14, {"source": "yandex", "medium": "cpc", "campaign": "blackout_msk", "term": "шторы блэкаут купить"}),
    (10, {"source": "yandex", "medium": "cpc", "campaign": "roman_search", "term": "римские шторы на кухню"}),
    (8, {"source": "yandex", "medium": "cpc", "campaign": "karniz_electro", "term": "электрокарниз цена"}),
    (5, {"source": "yandex", "medium": "cpm", "campaign": "retarget_cart", "content": "banner_2"}),
    (4, {"source": "yandex", "medium": "cpc", "campaign": "tul_autumn", "term": "тюль лён"}),
    (8, {"source": "vk", "medium": "cpc", "campaign": "catalog_sale", "content": "video_1"}),
    (3, {"source": "vk", "medium": "blogger", "campaign": "designer_post"}),
    (3, {"source": "vk", "medium": "post", "campaign": "group"}),
    (4, {"source": "telegram", "medium": "cpm", "campaign": "interior_channels"}),
    (3, {"source": "telegram", "medium": "post", "campaign": "romashka_doma"}),
    (4, {"source": "newsletter", "medium": "email", "campaign": "new_collection"}),
    (3, {"source": "yandex_maps", "medium": "listing", "campaign": "priority"}),
    (2, {"source": "flyer", "medium": "qr", "campaign": "novostroyki"}),
    (2, {"source": "remont-portal.example", "medium": "referral"}),
    (2, {"source": "google", "medium": "cpc", "campaign": "test"}),
    (18, {}),
)

#: How people write: the channel in the webhook's address, Jivo's id of the channel, how often. WhatsApp's address names
#: no channel, its id does; Viber and Avito are mapped nowhere, so the page offers them.
CHANNELS: tuple[tuple[int, str | None, str], ...] = (
    (55, None, "RmskSite01"),
    (16, "telegram", "RmskTgrm03"),
    (13, None, "RmskWapp02"),
    (8, "vk", "RmskVkon04"),
    (4, "viber", "RmskVibr05"),
    (4, "avito", "RmskAvit06"),
)

OPERATORS = (
    {"id": 301, "name": "Анна", "email": "anna@romashka-shtory.example"},
    {"id": 302, "name": "Ольга", "email": "olga@romashka-shtory.example"},
    {"id": 303, "name": "Тимур", "email": "timur@romashka-shtory.example"},
    {"id": 304, "name": "Стажёр", "email": "newcomer@romashka-shtory.example"},
)

NAMES = (
    *("Мария", "Елена", "Светлана", "Ирина", "Наталья", "Алсу", "Дарья", "Юлия", "Екатерина", "Вера", "Гульнара"),
    *("Сергей", "Андрей", "Павел", "Дмитрий", "Илья", "Роман", "Марат", "Татьяна К.", "Ксюша", "Николай Петрович"),
    *("Оксана Дизайн", "Лена ♥", "Виктория Смирнова", "Анастасия", "Людмила Ивановна"),
)
MAILBOXES = ("shtory", "dom", "uyut", "svet", "okno", "leto", "remont", "vesna", "nata", "lena", "office", "zakaz")
CITIES = ("Москва", "Москва", "Москва", "Подольск", "Химки", "Казань", "Санкт-Петербург")

WORDS: dict[str, tuple[str, ...]] = {
    "side": ("на восток", "на юг", "на дорогу", "во двор"),
    "room": ("спальню", "гостиную", "кухню", "кабинет"),
    "width": ("140", "180", "210", "240", "300", "340"),
    "tall": ("120", "140", "160"),
    "half": ("180", "200", "240"),
    "height": ("250", "260", "270", "2,8 м"),
    "price": ("6 900", "8 400", "11 200", "14 500", "18 700", "23 900"),
    "colour": ("серый", "графит", "молочный", "оливковый", "пудровый", "терракота", "синий", "горчичный"),
    "day": ("среду", "четверг", "субботу", "понедельник"),
    "model": ("R-45", "M-20", "T-60"),
    "age": ("5", "7", "9"),
    "town": ("Химках", "Подольске", "Мытищах", "Одинцове"),
    "order": ("Р-1042", "Р-1177", "Р-1215", "Р-1308"),
    "shrink": ("3", "5", "7"),
    "count": ("6", "11", "14", "22"),
}


@dataclass(frozen=True)
class DemoChat:
    """One chat or request: the channel that its webhook address names, and the events in their order."""

    channel: str | None
    orders: tuple[Order, ...]


def past_moments(number: int, now: int, days: int = 30) -> list[int]:
    """So many moments of the last days, the earliest first: shops are written to by day, and less at weekends."""
    chance = random.Random(number)
    moments: list[int] = []
    while len(moments) < number:
        moment = now - chance.randrange(60, days * DAY)
        hour, weekday = (moment // 3600 + 3) % 24, (moment // DAY + 4) % 7
        liking = (0.05 if hour < 8 else 0.9 if hour < 21 else 0.3) * (0.5 if weekday in (0, 6) else 1)
        if chance.random() < liking:
            moments.append(moment)
    return sorted(moments)


def chat(number: int, at: int) -> DemoChat:
    """The chat of this number, ended at this moment (unix seconds)."""
    chance = random.Random(f"chat {number}")
    # Every tenth comes from somebody who has written before.
    visitor = chance.randrange(1, number) if number > 20 and chance.random() < 0.1 else number
    person = _person(visitor)
    words = {name: chance.choice(values) for name, values in WORDS.items()}
    words |= {"phone": person["typed_phone"], "email": person["typed_email"]}
    _weight, channel, widget = chance.choices(CHANNELS, [row[0] for row in CHANNELS])[0]
    on_site = widget == "RmskSite01"
    domain, page, title, lines = chance.choice(TOPICS)
    overrides: dict[str, Any] = {
        "widget_id": widget,
        "visitor": {**person["card"], "number": 5000 + visitor, "chats_count": 1 if visitor == number else 2},
        **(_visit(chance, domain, page, title) if on_site else {"session": None, "page": None}),
    }
    common = {"chat": 2000 + number, "visitor": 5000 + visitor, "at": at}
    if on_site and chance.random() < 0.14:
        said = chance.choice(REQUESTS).format(**words)
        return DemoChat(
            channel, ({**common, "template": "offline_message", "overrides": overrides | {"message": said}},)
        )
    agents = chance.sample(OPERATORS, 2 if chance.random() < 0.08 else 1)
    said = [line.format(**words) for line in lines]
    told = {
        "agents": agents,
        "chat": {
            "messages": _messages(chance, said, agents, at),
            "blacklisted": False,
            "rate": chance.choice((None, None, None, "positive", "positive", "negative")),
            "invitation": None,
        },
    }
    orders: list[Order] = [{**common, "template": "chat_finished", "overrides": overrides | told}]
    if chance.random() < 0.5:
        orders.insert(0, {**common, "template": "chat_accepted", "overrides": overrides | {"agent": agents[0]}})
    if chance.random() < 0.05:
        renamed = {"widget_id": widget, "visitor": overrides["visitor"] | {"name": f"{person['card']['name']}, замер"}}
        orders.append({**common, "template": "client_updated", "overrides": renamed})
    if on_site and chance.random() < 0.04:
        orders.append({**common, "template": "call_event", "overrides": overrides})
    return DemoChat(channel, tuple(orders))


def _person(number: int) -> dict[str, Any]:
    """Who writes: what they are called and what of their contacts is on their card."""
    chance = random.Random(f"person {number}")
    first, last = divmod(number * 37 % 10_000, 100)
    phone = chance.choice(
        ("+7 900 000-{:02}-{:02}", "8 (900) 000-{:02}-{:02}", "900000{:02}{:02}", "8 495 000 {:02} {:02}")
    )
    phone, email = phone.format(first, last), f"{chance.choice(MAILBOXES)}{number}@mail.example"
    card: dict[str, Any] = {"name": chance.choice(NAMES)}
    known = chance.random()
    if known < 0.62:
        card["phone"] = phone
    if known > 0.5 and chance.random() < 0.4:
        card["email"] = email
    return {"card": card, "typed_phone": f"8 900 000 {first:02} {last:02}", "typed_email": email}


def _visit(chance: random.Random, domain: str, page: str, title: str) -> dict[str, Any]:
    """The session and the page of a chat on the site. Jivo tells marks encoded as they stood in the address."""
    marks = chance.choices([marks for _weight, marks in ORIGINS], [weight for weight, _marks in ORIGINS])[0]
    packed = {key: quote(value) for key, value in marks.items()}
    query = urlencode({f"utm_{key}": value for key, value in marks.items()})
    told = packed or {"source": "(direct)", "campaign": "(direct)"}
    return {
        "session": {
            "geoip": {"country_code": "RU", "country": "Россия", "city": chance.choice(CITIES)},
            "utm": "|".join(f"{key}={value}" for key, value in told.items()),
            "utm_json": told,
            "ip_addr": f"192.0.2.{chance.randrange(1, 255)}",
            "user_agent": "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36",
        },
        "page": {"url": f"https://{domain}/{page}" + (f"?{query}" if query else ""), "title": title},
    }


def _messages(chance: random.Random, said: list[str], agents: list[dict[str, Any]], at: int) -> list[dict[str, Any]]:
    """The lines with their times, the last of them at the end of the chat."""
    messages: list[dict[str, Any]] = []
    moment = at
    for place in range(len(said) - 1, -1, -1):
        row: dict[str, Any] = {"message": said[place], "timestamp": moment, "type": "agent" if place % 2 else "visitor"}
        if place % 2:
            row["agent_id"] = agents[-1 if place > len(said) // 2 else 0]["id"]
        messages.insert(0, row)
        moment -= chance.randrange(8, 90)
    return messages
