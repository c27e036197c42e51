"""What a person wrote now, for each mail client and language: attributions, header blocks, HTML, and phones' last lines.

One row a client and language, as those programs write it (2020 to 2026); names, dates and addresses are made up.
"""

from __future__ import annotations

import textwrap

import pytest

from maild.ingest.content import html_text
from maild.ingest.parse import parse
from maild.ingest.reply_text import new_text
from maild.ingest.sender import forwarded_person
from maild.ingest.signature import is_phone_line

ANSWER = "Yes, the second one please.\nAnd send it soon."
QUOTED = "Which one would you like?\n\nKind regards\nYour desk"
MARKED = "\n".join(f"> {line}".rstrip() for line in QUOTED.split("\n"))

ATTRIBUTIONS = {
    "gmail en": "On Tue, Nov 3, 2026 at 10:04 AM Desk <desk@help.example> wrote:",
    "gmail nnbsp": "On Tue, Nov 3, 2026 at 10:04\u202fAM Desk <desk@help.example> wrote:",
    "gmail de": "Am Di., 3. Nov. 2026 um 10:04 Uhr schrieb Desk <desk@help.example>:",
    "gmail fr": "Le mar. 3 nov. 2026 à 10:04, Desk <desk@help.example> a écrit :",
    "gmail fr nbsp": "Le mar. 3 nov. 2026 à 10:04, Desk <desk@help.example> a écrit\xa0:",
    "gmail es": "El mar, 3 nov 2026 a las 10:04, Desk (<desk@help.example>) escribió:",
    "gmail it": "Il giorno mar 3 nov 2026 alle ore 10:04 Desk <desk@help.example> ha scritto:",
    "gmail pt-br": "Em ter., 3 de nov. de 2026 às 10:04, Desk <desk@help.example> escreveu:",
    "gmail pt": "Desk <desk@help.example> escreveu (terça, 3/11/2026 à(s) 10:04):",
    "gmail nl": "Op di 3 nov 2026 om 10:04 schreef Desk <desk@help.example>:",
    "gmail pl": "wt., 3 lis 2026 o 10:04 Desk <desk@help.example> napisał(a):",
    "gmail sv": "Den tis 3 nov. 2026 kl 10:04 skrev Desk <desk@help.example>:",
    "gmail da": "Den tirs. 3. nov. 2026 kl. 10.04 skrev Desk <desk@help.example>:",
    "gmail no": "tir. 3. nov. 2026 kl. 10:04 skrev Desk <desk@help.example>:",
    "gmail fi": "ti 3. marrask. 2026 klo 10.04 Desk (desk@help.example) kirjoitti:",
    "gmail cs": "út 3. 11. 2026 v 10:04 odesílatel Desk <desk@help.example> napsal:",
    "gmail sk": "ut 3. 11. 2026 o 10:04 Desk <desk@help.example> napísal(a):",
    "gmail ru": "вт, 3 нояб. 2026 г. в 10:04, Desk <desk@help.example>:",
    "gmail uk": "вт, 3 лист. 2026 р. о 10:04 Desk <desk@help.example> пише:",
    "gmail tr": "Desk <desk@help.example>, 3 Kas 2026 Sal, 10:04 tarihinde şunu yazdı:",
    "gmail zh": "Desk <desk@help.example> 于2026年11月3日周二 10:04写道：",
    "gmail tw": "Desk <desk@help.example> 於 2026年11月3日 週二 上午10:04寫道：",
    "gmail ja": "2026年11月3日(火) 10:04 Desk <desk@help.example>:",
    "gmail ko": "2026년 11월 3일 (화) 오전 10:04, Desk <desk@help.example>님이 작성:",
    "gmail hu": "Desk <desk@help.example> ezt írta (időpont: 2026. nov. 3., K, 10:04):",
    "gmail ro": "În mar., 3 nov. 2026 la 10:04, Desk <desk@help.example> a scris:",
    "gmail el": "Στις Τρί 3 Νοε 2026 στις 10:04 π.μ., ο χρήστης Desk <desk@help.example> έγραψε:",
    "gmail he": "\u202bבתאריך יום ג׳, 3 בנוב׳ 2026 ב-10:04 מאת \u202aDesk\u202c\u200f <\u202adesk@help.example\u202c\u200f>:\u202c",
    "gmail ar": "في الثلاثاء، 3 نوفمبر 2026 في 10:04 ص تمت كتابة ما يلي بواسطة \u202aDesk\u202c\u200f <\u202adesk@help.example\u202c\u200f>:",
    "gmail vi": "Vào Th 3, 3 thg 11, 2026 vào lúc 10:04 Desk <desk@help.example> đã viết:",
    "gmail id": "Pada tanggal Sel, 3 Nov 2026 pukul 10.04 Desk <desk@help.example> menulis:",
    "gmail th": "ในวันที่ อ. 3 พ.ย. 2026 เวลา 10:04 Desk <desk@help.example> เขียนว่า:",
    "gmail bg": "На вт, 3.11.2026 г. в 10:04 Desk <desk@help.example> написа:",
    "gmail hr": "uto, 3. stu 2026. u 10:04 Desk <desk@help.example> napisao je:",
    "gmail lt": "2026-11-03, an, 10:04 Desk <desk@help.example> rašė:",
    "gmail lv": "otrd., 2026. g. 3. nov., plkst. 10:04 — lietotājs Desk (<desk@help.example>) rakstīja:",
    "gmail et": "Desk <desk@help.example> kirjutas kuupäeval T, 3. november 2026 kell 10:04:",
    "gmail sl": "V V tor., 3. nov. 2026 ob 10:04 je oseba Desk <desk@help.example> napisala:",
    "gmail ca": "Missatge de Desk <desk@help.example> del dia dt., 3 de nov. 2026 a les 10:04:",
    "sparrow": "On 11-Apr-2026, at 6:54 PM, Desk <desk@help.example> sent:",
    "apple en": "On Nov 3, 2026, at 10:04 AM, Desk <desk@help.example> wrote:",
    "apple de": "Am 03.11.2026 um 10:04 schrieb Desk <desk@help.example>:",
    "apple fr": "Le 3 nov. 2026 à 10:04, Desk <desk@help.example> a écrit :",
    "apple es": "El 3 nov 2026, a las 10:04, Desk <desk@help.example> escribió:",
    "apple it": "Il giorno 3 nov 2026, alle ore 10:04, Desk <desk@help.example> ha scritto:",
    "apple pt-br": "Em 3 de nov. de 2026, à(s) 10:04, Desk <desk@help.example> escreveu:",
    "apple pt": "No dia 03/11/2026, às 10:04, Desk <desk@help.example> escreveu:",
    "apple nl": "Op 3 nov. 2026 om 10:04 heeft Desk <desk@help.example> het volgende geschreven:",
    "apple pl": "Wiadomość napisana przez Desk <desk@help.example> w dniu 3 lis 2026, o godz. 10:04:",
    "apple pl2": "Dnia 3 lis 2026 o godz. 10:04 Desk <desk@help.example> napisał(a):",
    "apple sv": "3 nov. 2026 kl. 10:04 skrev Desk <desk@help.example>:",
    "apple no": "3. nov. 2026 kl. 10:04 skrev Desk <desk@help.example>:",
    "apple fi": "Desk <desk@help.example> kirjoitti 3.11.2026 kello 10.04:",
    "apple cs": "3. 11. 2026 v 10:04, Desk <desk@help.example>:",
    "apple ru": "3 нояб. 2026 г., в 10:04, Desk <desk@help.example> написал(а):",
    "apple uk": "3 лист. 2026 р. о 10:04 Desk <desk@help.example> написав(ла):",
    "apple tr": "Desk <desk@help.example> şunları yazdı (3 Kas 2026 10:04):",
    "apple zh": "在 2026年11月3日，10:04，Desk <desk@help.example> 写道：",
    "apple zh2": "Desk <desk@help.example>于2026年11月3日 10:04写道：",
    "apple tw": "Desk <desk@help.example> 於 2026年11月3日 10:04 寫道：",
    "apple ja": "2026/11/03 10:04、Desk <desk@help.example>のメール:",
    "apple ko": "2026. 11. 3. 10:04, Desk <desk@help.example> 작성:",
    "tb en": "On 03/11/2026 10:04, Desk wrote:",
    "tb en us": "On 11/3/26 10:04 AM, Desk wrote:",
    "tb de": "Am 03.11.26 um 10:04 schrieb Desk:",
    "tb fr": "Le 03/11/2026 à 10:04, Desk a écrit :",
    "tb es": "El 3/11/26 a las 10:04, Desk escribió:",
    "tb it": "Il 03/11/2026 10:04, Desk ha scritto:",
    "tb pt-br": "Em 03/11/2026 10:04, Desk escreveu:",
    "tb pt": "Às 10:04 de 03/11/2026, Desk escreveu:",
    "tb nl": "Op 03-11-2026 om 10:04 schreef Desk:",
    "tb pl": "W dniu 3.11.2026 o 10:04, Desk pisze:",
    "tb sv": "Den 2026-11-03 kl. 10:04, skrev Desk:",
    "tb da": "Den 03.11.2026 kl. 10.04 skrev Desk:",
    "tb no": "Den 03.11.2026 10:04, skrev Desk:",
    "tb fi": "Desk kirjoitti 3.11.2026 klo 10.04:",
    "tb cs": "Dne 03. 11. 26 v 10:04 Desk napsal(a):",
    "tb ru": "03.11.2026 10:04, Desk пишет:",
    "tb uk": "03.11.2026 10:04, Desk пише:",
    "tb tr": "3.11.2026 10:04 tarihinde Desk yazdı:",
    "tb zh": "在 2026/11/3 10:04, Desk 写道:",
    "tb tw": "Desk 於 2026/11/3 上午 10:04 寫道:",
    "tb ja": "(2026/11/03 10:04), Desk wrote:",
    "tb ja2": "2026/11/03 10:04、Desk さんは書きました:",
    "tb ko": "2026-11-03 오전 10:04에 Desk 이(가) 쓴 글:",
    "yahoo en": "On Tuesday, November 3, 2026 at 10:04:00 AM GMT+1, Desk <desk@help.example> wrote:",
    "yahoo de": "Am Dienstag, 3. November 2026 um 10:04:00 MEZ hat Desk <desk@help.example> Folgendes geschrieben:",
    "yahoo fr": "Le mardi 3 novembre 2026 à 10:04:00 UTC+1, Desk <desk@help.example> a écrit :",
    "yahoo es": "En martes, 3 de noviembre de 2026, 10:04:00 CET, Desk <desk@help.example> escribió:",
    "yahoo it": "Il martedì 3 novembre 2026 alle ore 10:04:00 CET, Desk <desk@help.example> ha scritto:",
    "yahoo pt": "Em terça-feira, 3 de novembro de 2026 10:04:00 BRT, Desk <desk@help.example> escreveu:",
    "yahoo old es": "El Martes, 3 de noviembre, 2026 10:04:00, Desk <desk@help.example> escribió:",
    'gmx de': 'Am 03.11.26, 10:04 schrieb "Desk" <desk@help.example>:',
    "proton": "On Tuesday, November 3rd, 2026 at 10:04, Desk <desk@help.example> wrote:",
    "proton de": "Am Dienstag, 3. November 2026 um 10:04, Desk <desk@help.example> schrieb:",
    "k9 en": "On 3 November 2026 10:04:00 CET, Desk <desk@help.example> wrote:",
    "k9 de": "Am 3. November 2026 10:04:00 MEZ schrieb Desk <desk@help.example>:",
    "mailru": "Вторник, 3 ноября 2026, 10:04 +03:00 от Desk <desk@help.example>:",
    'yandex': '03.11.2026, 10:04, "Desk" <desk@help.example>:',
    'netease': '在 2026-11-03 10:04:00，"Desk" <desk@help.example> 写道：',
    'netease en': 'At 2026-11-03 10:04:00, "Desk" <desk@help.example> wrote:',
    "zoho": "---- On Tue, 03 Nov 2026 10:04:00 +0100 Desk <desk@help.example> wrote ----",
    "zoho fr": "---- Activé mar., 03 nov. 2026 10:04:00 +0100 Desk <desk@help.example> a écrit ----",
    "spark": "On 3 Nov 2026, 10:04 +0100, Desk <desk@help.example>, wrote:",
    "superhuman": "On Tue, Nov 03, 2026 at 10:04 AM, Desk < desk@help.example > wrote:",
    "hey": "On November 3, 2026, Desk <desk@help.example> wrote:",
    "front": "On November 3, 2026, 10:04 AM GMT+1 desk@help.example wrote:",
    "fastmail": "On Tue, Nov 3, 2026, at 10:04 AM, Desk wrote:",
    "tutanota": "3. Nov. 2026, 10:04 von desk@help.example:",
    "tutanota en": "Nov 3, 2026, 10:04 by desk@help.example:",
    "roundcube": "On 2026-11-03 10:04, Desk wrote:",
    "roundcube de": "Am 2026-11-03 10:04, schrieb Desk:",
    "horde de": "Zitat von Desk <desk@help.example>:",
    "horde": "Quoting Desk <desk@help.example>:",
    "horde fr": "Desk <desk@help.example> a écrit :",
    "evolution": "On Tue, 2026-11-03 at 10:04 +0100, Desk wrote:",
    "evolution de": "Am Dienstag, dem 03.11.2026 um 10:04 +0100 schrieb Desk:",
    "kmail de": "Am Dienstag, 3. November 2026, 10:04:00 CET schrieb Desk:",
    "mutt": "On Tue, Nov 03, 2026 at 10:04:00AM +0100, Desk wrote:",
    "aol": "In a message dated 11/3/2026 10:04:00 AM Eastern Standard Time, desk@help.example writes:",
    "ox de": "Desk <desk@help.example> hat am 03.11.2026 10:04 geschrieben:",
    "ox en": "On November 3, 2026 at 10:04 AM Desk <desk@help.example> wrote:",
    "libero": "Il 3 novembre 2026 alle 10.04 Desk <desk@help.example> ha scritto:",
    "wp pl": "Dnia 3 listopada 2026 10:04 Desk <desk@help.example> napisał(a):",
    "gnus": "Desk <desk@help.example> writes:",
}  # fmt: skip
# no date, or no time of day: doubtful unless quote marks follow
DOUBTFUL = ("horde", "gnus", "tb ", "hey")

BLOCKS = {
    'outlook en': 'From: Desk <desk@help.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo <jo@shop.example>\nSubject: Order',
    'outlook en cc': 'From: Desk <desk@help.example>\nSent: Tuesday, November 3, 2026 10:04 AM\nTo: Jo <jo@shop.example>\nCc: Al <al@shop.example>\nSubject: Order\nImportance: High',
    'outlook de': 'Von: Desk <desk@help.example>\nGesendet: Dienstag, 3. November 2026 10:04\nAn: Jo <jo@shop.example>\nBetreff: Bestellung',
    'outlook de mac': 'Von: Desk <desk@help.example>\nDatum: Dienstag, 3. November 2026 um 10:04\nAn: Jo <jo@shop.example>\nBetreff: Bestellung',
    'outlook fr': 'De : Desk <desk@help.example>\nEnvoyé : mardi 3 novembre 2026 10:04\nÀ : Jo <jo@shop.example>\nObjet : Commande',
    'outlook fr mac': 'De : Desk <desk@help.example>\nDate : mardi, 3 novembre 2026 à 10:04\nÀ : Jo <jo@shop.example>\nObjet : Commande',
    'outlook fr nbsp': 'De\xa0: Desk <desk@help.example>\nEnvoyé\xa0: mardi 3 novembre 2026 10:04\nÀ\xa0: Jo <jo@shop.example>\nObjet\xa0: Commande',
    'outlook fr ca': 'De : Desk <desk@help.example>\nEnvoyé : 3 novembre 2026 10:04\nÀ : Jo\nObjet : Commande',
    'outlook es': 'De: Desk <desk@help.example>\nEnviado el: martes, 3 de noviembre de 2026 10:04\nPara: Jo <jo@shop.example>\nAsunto: Pedido',
    'outlook es mac': 'De: Desk <desk@help.example>\nFecha: martes, 3 de noviembre de 2026, 10:04\nPara: Jo <jo@shop.example>\nAsunto: Pedido',
    'outlook it': 'Da: Desk <desk@help.example>\nInviato: martedì 3 novembre 2026 10:04\nA: Jo <jo@shop.example>\nOggetto: Ordine',
    'outlook it mac': 'Da: Desk <desk@help.example>\nData: martedì, 3 novembre 2026 alle 10:04\nA: Jo <jo@shop.example>\nOggetto: Ordine',
    'outlook pt': 'De: Desk <desk@help.example>\nEnviada em: terça-feira, 3 de novembro de 2026 10:04\nPara: Jo <jo@shop.example>\nAssunto: Pedido',
    'outlook pt2': 'De: Desk <desk@help.example>\nEnviado: 3 de novembro de 2026 10:04\nPara: Jo <jo@shop.example>\nAssunto: Pedido',
    'outlook nl': 'Van: Desk <desk@help.example>\nVerzonden: dinsdag 3 november 2026 10:04\nAan: Jo <jo@shop.example>\nOnderwerp: Bestelling',
    'outlook nl mac': 'Van: Desk <desk@help.example>\nDatum: dinsdag, 3 november 2026 om 10:04\nAan: Jo <jo@shop.example>\nOnderwerp: Bestelling',
    'outlook pl': 'Od: Desk <desk@help.example>\nWysłano: wtorek, 3 listopada 2026 10:04\nDo: Jo <jo@shop.example>\nTemat: Zamówienie',
    'outlook pl mac': 'Od: Desk <desk@help.example>\nData: wtorek, 3 listopada 2026 10:04\nDo: Jo <jo@shop.example>\nTemat: Zamówienie',
    'outlook sv': 'Från: Desk <desk@help.example>\nSkickat: den 3 november 2026 10:04\nTill: Jo <jo@shop.example>\nÄmne: Order',
    'outlook sv mac': 'Från: Desk <desk@help.example>\nDatum: tisdag, 3 november 2026 10:04\nTill: Jo <jo@shop.example>\nÄmne: Order',
    'outlook da': 'Fra: Desk <desk@help.example>\nSendt: 3. november 2026 10:04\nTil: Jo <jo@shop.example>\nEmne: Ordre',
    'outlook no': 'Fra: Desk <desk@help.example>\nSendt: tirsdag 3. november 2026 10:04\nTil: Jo <jo@shop.example>\nEmne: Ordre',
    'outlook fi': 'Lähettäjä: Desk <desk@help.example>\nLähetetty: tiistai 3. marraskuuta 2026 10.04\nVastaanottaja: Jo <jo@shop.example>\nAihe: Tilaus',
    'outlook cs': 'Od: Desk <desk@help.example>\nOdesláno: úterý 3. listopadu 2026 10:04\nKomu: Jo <jo@shop.example>\nPředmět: Objednávka',
    'outlook sk': 'Od: Desk <desk@help.example>\nOdoslané: utorok 3. novembra 2026 10:04\nKomu: Jo <jo@shop.example>\nPredmet: Objednávka',
    'outlook ru': 'От: Desk <desk@help.example>\nОтправлено: 3 ноября 2026 г. 10:04\nКому: Jo <jo@shop.example>\nТема: Заказ',
    'outlook uk': 'Від: Desk <desk@help.example>\nНадіслано: 3 листопада 2026 р. 10:04\nКому: Jo <jo@shop.example>\nТема: Замовлення',
    'outlook tr': 'Kimden: Desk <desk@help.example>\nGönderildi: 3 Kasım 2026 Salı 10:04\nKime: Jo <jo@shop.example>\nKonu: Sipariş',
    'outlook tr2': 'Gönderen: Desk <desk@help.example>\nGönderilme: 3 Kasım 2026 Salı 10:04\nKime: Jo <jo@shop.example>\nKonu: Sipariş',
    'outlook zh': '发件人: Desk <desk@help.example>\n发送时间: 2026年11月3日 10:04\n收件人: Jo <jo@shop.example>\n主题: 订单',
    'outlook zh wide': '发件人：Desk <desk@help.example>\n发送时间：2026年11月3日 10:04\n收件人：Jo <jo@shop.example>\n主题：订单',
    'outlook zh2': '发件人: Desk <desk@help.example>\n日期: 星期二, 2026年11月3日 10:04\n收件人: Jo <jo@shop.example>\n主题: 订单',
    'outlook tw': '寄件者: Desk <desk@help.example>\n寄件日期: 2026年11月3日 上午 10:04\n收件者: Jo <jo@shop.example>\n主旨: 訂單',
    'outlook ja': '差出人: Desk <desk@help.example>\n送信日時: 2026年11月3日 10:04\n宛先: Jo <jo@shop.example>\n件名: 注文',
    'outlook ko': '보낸 사람: Desk <desk@help.example>\n보낸 날짜: 2026년 11월 3일 화요일 오전 10:04\n받는 사람: Jo <jo@shop.example>\n제목: 주문',
    'outlook hu': 'Feladó: Desk <desk@help.example>\nElküldve: 2026. november 3., kedd 10:04\nCímzett: Jo <jo@shop.example>\nTárgy: Rendelés',
    'outlook ro': 'De la: Desk <desk@help.example>\nTrimis: marți, 3 noiembrie 2026 10:04\nCătre: Jo <jo@shop.example>\nSubiect: Comandă',
    'outlook el': 'Από: Desk <desk@help.example>\nΣτάλθηκε: Τρίτη, 3 Νοεμβρίου 2026 10:04\nΠρος: Jo <jo@shop.example>\nΘέμα: Παραγγελία',
    'outlook he': 'מאת: Desk <desk@help.example>\nנשלח: יום שלישי 03 נובמבר 2026 10:04\nאל: Jo <jo@shop.example>\nנושא: הזמנה',
    'outlook ar': 'من: Desk <desk@help.example>\nتم الإرسال: الثلاثاء، 3 نوفمبر 2026 10:04\nإلى: Jo <jo@shop.example>\nالموضوع: طلب',
    'outlook hr': 'Od: Desk <desk@help.example>\nPoslano: utorak, 3. studenoga 2026. 10:04\nPrima: Jo <jo@shop.example>\nPredmet: Narudžba',
    'outlook sl': 'Od: Desk <desk@help.example>\nPoslano: torek, 03. november 2026 10:04\nZa: Jo <jo@shop.example>\nZadeva: Naročilo',
    'outlook bg': 'От: Desk <desk@help.example>\nИзпратено: вторник, 3 ноември 2026 г. 10:04\nДо: Jo <jo@shop.example>\nОтносно: Поръчка',
    'outlook th': 'จาก: Desk <desk@help.example>\nส่ง: วันอังคารที่ 3 พฤศจิกายน 2026 10:04\nถึง: Jo <jo@shop.example>\nเรื่อง: สั่งซื้อ',
    'outlook ca': 'De: Desk <desk@help.example>\nEnviat el: dimarts, 3 de novembre de 2026 10:04\nPer a: Jo <jo@shop.example>\nTema: Comanda',
    'gmx': 'Gesendet: Dienstag, 3. November 2026 um 10:04 Uhr\nVon: Desk <desk@help.example>\nAn: jo@shop.example\nBetreff: Bestellung',
    'zimbra': '----- Original Message -----\nFrom: "Desk" <desk@help.example>\nTo: "Jo" <jo@shop.example>\nSent: Tuesday, November 3, 2026 10:04:00 AM\nSubject: Order',
    'zimbra fr': '----- Mail original -----\nDe: "Desk" <desk@help.example>\nÀ: "Jo" <jo@shop.example>\nEnvoyé: Mardi 3 Novembre 2026 10:04:00\nObjet: Commande',
    'zimbra fr2': 'De: "Desk" <desk@help.example>\nÀ: "Jo" <jo@shop.example>\nEnvoyé: Mardi 3 Novembre 2026 10:04:00\nObjet: Commande',
    'zimbra de': '----- Ursprüngliche Mail -----\nVon: "Desk" <desk@help.example>\nAn: "Jo" <jo@shop.example>\nGesendet: Dienstag, 3. November 2026 10:04:00\nBetreff: Bestellung',
    'zimbra it': 'Da: "Desk" <desk@help.example>\nA: "Jo" <jo@shop.example>\nInviato: Martedì, 3 novembre 2026 10:04:00\nOggetto: Ordine',
    'zimbra es': 'De: "Desk" <desk@help.example>\nPara: "Jo" <jo@shop.example>\nEnviados: Martes, 3 de Noviembre 2026 10:04:00\nAsunto: Pedido',
    'notes': '-----Desk <desk@help.example> wrote: -----\nTo: jo@shop.example\nFrom: Desk <desk@help.example>\nDate: 11/03/2026 10:04AM\nSubject: Order',
    'notes2': 'From: Desk/Help/DE\nTo: Jo <jo@shop.example>\nDate: 03.11.2026 10:04\nSubject: Order',
    'notes de': 'Von: Desk <desk@help.example>\nAn: jo@shop.example\nDatum: 03.11.2026 10:04\nBetreff: Bestellung',
    'notes de tabs': 'Von:\tDesk <desk@help.example>\nAn:\tjo@shop.example,\nDatum:\t03.11.2026 10:04\nBetreff:\tBestellung',
    'notes old': 'Desk <desk@help.example>\n03.11.2026 10:04\n\nAn\njo@shop.example\nKopie\n\nThema\nBestellung',
    'samsung en': '-------- Original message --------\nFrom: Desk <desk@help.example>\nDate: 03/11/2026 10:04 (GMT+01:00)\nTo: jo@shop.example\nSubject: Order',
    'samsung de': '-------- Ursprüngliche Nachricht --------\nVon: Desk <desk@help.example>\nDatum: 03.11.26 10:04 (GMT+01:00)\nAn: jo@shop.example\nBetreff: Bestellung',
    'samsung fr': "-------- Message d'origine --------\nDe : Desk <desk@help.example>\nDate : 03/11/2026 10:04 (GMT+01:00)\nÀ : jo@shop.example\nObjet : Commande",
    'samsung fr curly': '-------- Message d’origine --------\nDe : Desk <desk@help.example>\nDate : 03/11/2026 10:04\nÀ : jo@shop.example\nObjet : Commande',
    'samsung es': '-------- Mensaje original --------\nDe: Desk <desk@help.example>\nFecha: 3/11/26 10:04 (GMT+01:00)\nPara: jo@shop.example\nAsunto: Pedido',
    'samsung it': '-------- Messaggio originale --------\nDa: Desk <desk@help.example>\nData: 03/11/26 10:04 (GMT+01:00)\nA: jo@shop.example\nOggetto: Ordine',
    'samsung pt': '-------- Mensagem original --------\nDe: Desk <desk@help.example>\nData: 03/11/2026 10:04 (GMT-03:00)\nPara: jo@shop.example\nAssunto: Pedido',
    'samsung nl': '-------- Oorspronkelijk bericht --------\nVan: Desk <desk@help.example>\nDatum: 03-11-2026 10:04 (GMT+01:00)\nAan: jo@shop.example\nOnderwerp: Bestelling',
    'samsung pl': '-------- Oryginalna wiadomość --------\nOd: Desk <desk@help.example>\nData: 03.11.2026 10:04 (GMT+01:00)\nDo: jo@shop.example\nTemat: Zamówienie',
    'samsung sv': '-------- Originalmeddelande --------\nFrån: Desk <desk@help.example>\nDatum: 2026-11-03 10:04 (GMT+01:00)\nTill: jo@shop.example\nÄmne: Order',
    'samsung da': '-------- Oprindelig meddelelse --------\nFra: Desk <desk@help.example>\nDato: 03.11.2026 10.04 (GMT+01:00)\nTil: jo@shop.example\nEmne: Ordre',
    'samsung no': '-------- Opprinnelig melding --------\nFra: Desk <desk@help.example>\nDato: 03.11.2026 10:04 (GMT+01:00)\nTil: jo@shop.example\nEmne: Ordre',
    'samsung fi': '-------- Alkuperäinen viesti --------\nLähettäjä: Desk <desk@help.example>\nPäivämäärä: 3.11.2026 10.04\nVastaanottaja: jo@shop.example\nAihe: Tilaus',
    'samsung cs': '-------- Původní zpráva --------\nOd: Desk <desk@help.example>\nDatum: 03.11.2026 10:04\nKomu: jo@shop.example\nPředmět: Objednávka',
    'samsung ru': '-------- Исходное сообщение --------\nОт: Desk <desk@help.example>\nДата: 03.11.2026 10:04\nКому: jo@shop.example\nТема: Заказ',
    'samsung tr': '-------- Orijinal mesaj --------\nGönderen: Desk <desk@help.example>\nTarih: 3.11.2026 10:04\nAlıcı: jo@shop.example\nKonu: Sipariş',
    'samsung zh': '-------- 原始邮件 --------\n发件人： Desk <desk@help.example>\n日期： 2026/11/3 10:04\n收件人： jo@shop.example\n主题： 订单',
    'samsung ko': '-------- 원본 이메일 --------\n발신: Desk <desk@help.example>\n날짜: 2026.11.3 10:04\n수신: jo@shop.example\n제목: 주문',
    'samsung ja': '-------- 元のメッセージ --------\nFrom: Desk <desk@help.example>\n日付: 2026/11/03 10:04\nTo: jo@shop.example\n件名: 注文',
    'qq': '------------------ 原始邮件 ------------------\n发件人: "Desk" <desk@help.example>;\n发送时间: 2026年11月3日(星期二) 上午10:04\n收件人: "jo"<jo@shop.example>;\n\n主题: 订单',
    'qq en': '------------------ Original ------------------\nFrom: "Desk" <desk@help.example>;\nDate: Tue, Nov 3, 2026 10:04 AM\nTo: "jo"<jo@shop.example>;\n\nSubject: Order',
    'qq re': '------------------&nbsp;原始邮件&nbsp;------------------\n发件人: "Desk" <desk@help.example>;\n发送时间: 2026年11月3日',
    'netease new': '---- 回复的原邮件 ----\n| 发件人 | Desk<desk@help.example> |\n| 日期 | 2026年11月03日 10:04 |\n| 收件人 | jo<jo@shop.example> |\n| 主题 | 订单 |',
    'netease new en': '---- Replied Message ----\n| From | Desk<desk@help.example> |\n| Date | 11/03/2026 10:04 |\n| To | jo<jo@shop.example> |\n| Subject | Order |',
    'aliyun': '------------------------------------------------------------------\n发件人：Desk <desk@help.example>\n发送时间：2026年11月3日(星期二) 10:04\n收件人：jo <jo@shop.example>\n主\u3000题：订单',
    'foxmail': '发件人： Desk\n发送时间： 2026-11-03 10:04\n收件人： jo\n主题： 订单',
    'naver': '-----Original Message-----\nFrom: "Desk"<desk@help.example>\nTo: "jo"<jo@shop.example>;\nCc:\nSent: 2026-11-03 (화) 10:04:00 (GMT+09:00)\nSubject: Re: 주문',
    'daum': '--------- 원본 메일 ---------\n보낸사람 : Desk <desk@help.example>\n받는사람 : jo <jo@shop.example>\n날짜 : 2026년 11월 03일 화요일, 10시 04분\n제목 : 주문',
    'proton old': '‐‐‐‐‐‐‐ Original Message ‐‐‐‐‐‐‐\nOn Tuesday, November 3rd, 2026 at 10:04, Desk <desk@help.example> wrote:',
    'proton old2': '------- Original Message -------\nOn Tuesday, November 3rd, 2026 at 10:04, Desk <desk@help.example> wrote:',
    't-online': '-----Original-Nachricht-----\nBetreff: Bestellung\nDatum: 2026-11-03T10:04:00+0100\nVon: "Desk" <desk@help.example>\nAn: jo@shop.example',
    'laposte': '> Message du 03/11/26 10:04\n> De : "Desk" <desk@help.example>\n> A : jo@shop.example\n> Copie à :\n> Objet : Commande',
    'libero block': '----Messaggio originale----\nDa: desk@help.example\nData: 03/11/2026 10.04\nA: <jo@shop.example>\nOgg: Ordine',
    'seznam': '---------- Původní e-mail ----------\nOd: Desk <desk@help.example>\nKomu: jo@shop.example\nDatum: 3. 11. 2026 10:04:00\nPředmět: Objednávka',
    'interia': 'Od: "Desk" <desk@help.example>\nDo: jo@shop.example;\nWysłane: 10:04 Wtorek 2026-11-03\nTemat: Zamówienie',
    'ukrnet': '--- Оригінальне повідомлення ---\nВід кого: "Desk" <desk@help.example>\nДата: 3 листопада 2026, 10:04:00',
    'live en': 'Date: Tue, 3 Nov 2026 10:04:00 +0000\nFrom: desk@help.example\nTo: jo@shop.example\nSubject: Order',
    'outlook bold': '*From:* Desk <desk@help.example>\n*Sent:* Tuesday, November 3, 2026 10:04 AM\n*To:* Jo\n*Subject:* Order',
    'outlook bold2': '**From:** Desk <desk@help.example>\n**Sent:** Tuesday, November 3, 2026 10:04 AM\n**To:** Jo\n**Subject:** Order',
    'outlook de bold': '*Von:* Desk [mailto:desk@help.example] \n*Gesendet:* Dienstag, 3. November 2026 10:04\n*An:* jo@shop.example\n*Betreff:* Bestellung',
    'blackberry': '-----Original Message-----\nFrom: Desk <desk@help.example>\nDate: Tue, 3 Nov 2026 10:04:00\nTo: Jo<jo@shop.example>\nSubject: Order',
    'bb br': 'De: Desk <desk@help.example>\nEnviado: \u200eterça-feira\u200e, \u200e3\u200e de \u200enovembro\u200e de \u200e2026 \u200e10\u200e:\u200e04\nPara: Jo\nAssunto: Pedido',
    'groupwise': '>>> Desk <desk@help.example> 03.11.2026 10:04 >>>',
    'groupwise2': '>>> "Desk" <desk@help.example> 11/3/2026 10:04 AM >>>',
    'exchange app': 'From: Desk\nSent: 03 November 2026 10:04\nTo: Jo\nSubject: Order',
}  # fmt: skip


@pytest.mark.parametrize("client", ATTRIBUTIONS)
def test_an_attributed_quotation_is_cut(client: str) -> None:
    said = ATTRIBUTIONS[client]
    assert new_text(f"{ANSWER}\n\n{said}\n\n{MARKED}\n", "") == ANSWER
    assert new_text(f"{ANSWER}\n\n> {said}\n>\n{MARKED}\n", "") == ANSWER
    assert new_text(f"{said}\n\n{MARKED}\n\n{ANSWER}\n", "") == ANSWER
    if not client.startswith(DOUBTFUL):
        assert new_text(f"{ANSWER}\n\n{said}\n\n{QUOTED}\n", "") == ANSWER


@pytest.mark.parametrize("client", [name for name, said in ATTRIBUTIONS.items() if len(said) > 60 and not name.startswith("zoho")])
def test_an_attribution_that_was_wrapped_is_known(client: str) -> None:
    wrapped = "\n".join(textwrap.wrap(ATTRIBUTIONS[client], 60, break_long_words=False, break_on_hyphens=False))
    assert new_text(f"{ANSWER}\n\n{wrapped}\n\n{MARKED}\n", "") == ANSWER


@pytest.mark.parametrize("client", ATTRIBUTIONS)
def test_answers_between_the_lines_lose_nothing(client: str) -> None:
    text = f"Hello\n\n{ATTRIBUTIONS[client]}\n> Which colour?\n\nBlue.\n\n> Which size?\n\nLarge."
    assert new_text(text + "\n", "") == text


@pytest.mark.parametrize("client", BLOCKS)
def test_a_block_of_header_fields_ends_the_new_text(client: str) -> None:
    block = BLOCKS[client]
    assert new_text(f"{ANSWER}\n\n{block}\n\n{QUOTED}\n", "") == ANSWER
    assert new_text(f"{ANSWER}\n{block}\n\n{QUOTED}\n", "") == ANSWER
    if block[0].isalpha() and client != "notes old":
        assert new_text(f"{ANSWER}\n\n________________________________\n{block}\n\n{QUOTED}\n", "") == ANSWER
        doubled = block.replace("\n", "\n\n")
        assert new_text(f"{ANSWER}\n\n{doubled}\n\n{QUOTED}\n", "") == ANSWER


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Hello, see my answers.\n\n-----Original Message-----\n> From: Desk\n> Which colour?\n\nBlue.\n\n> Which size?\n\nLarge.\n", ["Blue.", "Large."]),
        ("Hello\n\n---- On Tue, 03 Nov 2026 10:04:00 +0100 Desk <desk@help.example> wrote ----\n> Which colour?\n\nBlue.\n", ["Blue."]),
        ("FYI\n\nBegin forwarded message:\n\n> From: Al <al@else.example>\n> Subject: Broken\n>\n> It is broken.\n\nPlease handle this until Friday.\n", ["FYI", "until Friday"]),
        ("New request from the website\n\nFrom: Jo <jo@shop.example>\nSubject: Lamp\nDate: 3.11.2026 10:04\n\nThe lamp is broken.\n", ["The lamp is broken."]),
        ("New request\n----------------\nName: Jo\nEmail: jo@shop.example\nDate: 2026-11-03 10:04\n----------------\nThe lamp is broken.\n", ["The lamp is broken."]),
        ("---- Support form ----\nFrom: Jo <jo@shop.example>\nDate: 3.11.2026 10:04\nSubject: Lamp\n\nThe lamp is broken.\n", ["The lamp is broken."]),
        ("My booking jo@shop.example\n\nFrom: Berlin\nDate: 3.11.2026 10:04\nTo: Paris\n\nPlease book that.\n", ["Please book"]),
        ("The log:\n2026-11-03 10:04 ERROR jo@shop.example:\nfailed\nWhat now?\n", ["failed", "What now?"]),
        ("Order\n---- Items ----\nfrom: stock 1\nto: Hall 3\n---- End ----\nplease deliver to jo@shop.example\n", ["Hall 3", "please deliver"]),
        ("Steps\n--- step 1 ---\nFrom the box take A.\n--- step 2 ---\nDone. Mail jo@shop.example\n", ["take A", "Done."]),
        ("Hello\n\nI wrote to al@help.example on 3.11.2026:\nplease help\nbut nothing came.", ["please help", "nothing came"]),
        ("Hallo\n\nAm 3.11.2026 um 10:04 schrieb ich an al@help.example:\nbitte\nNichts kam.", ["bitte", "Nichts kam"]),
        (">>> Desk <desk@help.example> 03.11.2026 10:04 >>>\nWhich?\n\nThat one\n", ["That one"]),
        ("On Tue, 3 Nov 2026 at 10:04, Desk <desk@help.example> wrote:\n\nWhich?\n\nThat one\n", ["Which?", "That one"]),
        ("| From | To |\n|---|---|\n| Berlin | Paris |\n\nthat one please\n", ["Berlin", "that one please"]),
        ("Yes.\n\nKind regards\nJo\n\nPS: bring the key\n", ["bring the key"]),
    ],
)  # fmt: skip
def test_nothing_that_a_person_wrote_is_lost(text: str, kept: list[str]) -> None:
    found = new_text(text, "")
    assert [words for words in kept if words not in found] == []


NAMELESS = ("notes2", "notes old", "foxmail", "proton old", "proton old2", "groupwise", "groupwise2", "exchange app")


@pytest.mark.parametrize("client", [name for name in BLOCKS if name not in NAMELESS])
def test_the_block_of_a_forwarded_mail_names_who_wrote_it(client: str) -> None:
    head = "From: Bob <bob@example.com>\nTo: support@example.com\nSubject: Fwd: Order\nContent-Type: text/plain; charset=utf-8\n"
    for above in ("", "Please answer this.\n\n"):
        found = forwarded_person(parse(f"{head}\n{above}{BLOCKS[client]}\n\nThe lamp is broken.\n".encode()))
        assert found.address is not None
        assert found.address.email == "desk@help.example"


@pytest.mark.parametrize(
    "line",
    [
        "##- Please type your reply above this line -##",
        "--- Please reply above this line ---",
        "=-=-= Reply above this line =-=-=",
        "-- Bitte antworten Sie oberhalb dieser Linie --",
        "##- Veuillez saisir votre réponse au-dessus de cette ligne -##",
        "##- Escriba su respuesta por encima de esta línea -##",
        "##- Digite sua resposta acima desta linha -##",
        "##- Typ uw antwoord boven deze regel -##",
    ],
)
def test_below_another_trackers_line_all_is_quoted(line: str) -> None:
    assert new_text(f"{ANSWER}\n\n{line}\n\n{QUOTED}\n", "") == ANSWER
    assert new_text(f"Please write above the line.\n\n{ANSWER}", "") == f"Please write above the line.\n\n{ANSWER}"


def test_marks_of_writing_direction_and_narrow_blanks_do_not_matter() -> None:
    text = f"{ANSWER}\n\n\u202bבתאריך יום ג׳, 3 בנוב׳ 2026 ב-10:04 מאת \u202aDesk\u202c\u200f <\u202adesk@help.example\u202c\u200f>:\u202c\n\n\u202b> איזה?\u202c\n"
    assert new_text(text, "") == ANSWER
    kept = "\u202bכן, \u202aSKU 7\u202c בבקשה\u202c"
    assert new_text(f"{kept}\n\nמאת: Desk <desk@help.example>\nנשלח: יום שלישי 03 נובמבר 2026 10:04\nאל: Jo\nנושא: הזמנה\n\nאיזה?", "") == kept


WHO = 'Desk &lt;<a href="mailto:desk@help.example">desk@help.example</a>&gt;'
BEFORE = "<p>Which one would you like?</p><p>Kind regards<br>Your desk</p>"
FIELDS = f"<b>Von:</b> {WHO}<br><b>Gesendet:</b> Dienstag, 3. November 2026 10:04<br><b>An:</b> Jo<br><b>Betreff:</b> Bestellung"

PAGES = {
    "outlook365 web": f'<div class="elementToProof" style="font-family:Calibri">ANSWER</div><div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><font face="Calibri"><b>Von:</b> {WHO}<br><b>Gesendet:</b> Dienstag, 3. November 2026 10:04<br><b>An:</b> Jo<br><b>Betreff:</b> Bestellung</font><div>&nbsp;</div></div><div>{BEFORE}</div>',
    "outlook mobile": f'<div dir="auto">ANSWER</div><div dir="auto"><br></div><div id="ms-outlook-mobile-signature" dir="auto">Get <a href="https://aka.ms/x">Outlook for iOS</a></div><hr style="display:inline-block;width:98%" tabindex="-1"><div id="divRplyFwdMsg" dir="ltr"><b>From:</b> {WHO}<br><b>Sent:</b> Tuesday, November 3, 2026 10:04:00 AM<br><b>To:</b> Jo<br><b>Subject:</b> Order<div>&nbsp;</div></div>{BEFORE}',
    "outlook mobile ref": f'<div>ANSWER</div><div id="mail-editor-reference-message-container"><div><hr style="display: inline-block; width: 98%;"><div id="divRplyFwdMsg"><b>From:</b> {WHO}<br><b>Sent:</b> Tuesday<br><b>To:</b> Jo<br><b>Subject:</b> Order<br></div>{BEFORE}</div></div>',
    "outlook desktop": f'<html><body lang=EN-US><div class=WordSection1><p class=MsoNormal>ANSWER<o:p></o:p></p><p class=MsoNormal><o:p>&nbsp;</o:p></p><div><div style=\'border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0cm 0cm 0cm\'><p class=MsoNormal><b>Från:</b> {WHO} <br><b>Skickat:</b> den 3 november 2026 10:04<br><b>Till:</b> Jo<br><b>Ämne:</b> Order<o:p></o:p></p></div></div>{BEFORE}</div>',
    "outlook desktop lang unknown": f'<div class=WordSection1><p class=MsoNormal>ANSWER</p><div style=\'border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0in 0in 0in\'><p class=MsoNormal><b>Xyz:</b> {WHO}<br><b>Abc:</b> 2026-11-03 10:04<br><b>Def:</b> Jo<br><b>Ghi:</b> Order</p></div>{BEFORE}</div>',
    "outlook mac": f'<div class="WordSection1"><p class="MsoNormal">ANSWER</p><div id="mail-editor-reference-message-container"><div><div style="border:none;border-top:solid #B5C4DF 1.0pt;padding:3.0pt 0cm 0cm 0cm"><p class="MsoNormal"><b><span style="font-size:12.0pt;color:black">De&nbsp;: </span></b><span>{WHO}<br><b>Date&nbsp;: </b>mardi, 3 novembre 2026 à 10:04<br><b>À&nbsp;: </b>Jo<br><b>Objet&nbsp;: </b>Commande</span></p></div>{BEFORE}</div></div></div>',
    "gmail": f'<div dir="ltr">ANSWER</div><br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">Le mar. 3 nov. 2026 à 10:04, {WHO} a écrit :<br></div><blockquote class="gmail_quote" style="margin:0px 0px 0px 0.8ex">{BEFORE}</blockquote></div>',
    "gmail android auto": f'<div dir="auto">ANSWER</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">On Tue, 3 Nov 2026, 10:04 Desk, &lt;<a href="mailto:desk@help.example">desk@help.example</a>&gt; wrote:<br></div><blockquote class="gmail_quote">{BEFORE}</blockquote></div>',
    "apple ios": f'<html><body dir="auto"><div dir="ltr"></div><div dir="ltr">ANSWER</div><div dir="ltr"><br></div><div dir="ltr">Von meinem iPhone gesendet</div><div dir="ltr"><br><blockquote type="cite">Am 03.11.2026 um 10:04 schrieb {WHO}:<br><br></blockquote></div><blockquote type="cite"><div dir="ltr">{BEFORE}</div></blockquote>',
    "apple mac": f'ANSWER<div><br><div><div>On 3 Nov 2026, at 10:04, {WHO} wrote:</div><br class="Apple-interchange-newline"><blockquote type="cite"><div>{BEFORE}</div></blockquote></div><br></div>',
    "thunderbird": f'<p>ANSWER</p><p><br></p><div class="moz-cite-prefix">Am 03.11.26 um 10:04 schrieb Desk:<br></div><blockquote type="cite" cite="mid:abc@x">{BEFORE}</blockquote>',
    "thunderbird sig": f'<p>ANSWER</p><div class="moz-signature">-- <br>Jo Doe<br>Shop</div><div class="moz-cite-prefix">On 03/11/2026 10:04, Desk wrote:<br></div><blockquote type="cite">{BEFORE}</blockquote>',
    "yahoo": f'<div class="ydp1234yahoo-style-wrap"><div dir="ltr" data-setdir="false">ANSWER</div><div><br></div></div><div id="ydp5yahoo_quoted_1" class="ydp5yahoo_quoted"><div><div>On Tuesday, November 3, 2026 at 10:04:00 AM GMT+1, {WHO} wrote:</div><div><br></div>{BEFORE}</div></div>',
    "yahoo android": f'<div>ANSWER</div><br><div id="ymail_android_signature"><a href="https://x">Sent from Yahoo Mail on Android</a></div><br><blockquote style="margin: 0 0 20px 0;"><div style="font-family:Roboto">On Tue, Nov 3, 2026 at 10:04, Desk</div><div>&lt;desk@help.example&gt; wrote:</div><div>{BEFORE}</div></blockquote>',
    "gmx": f'<div style="font-family: Verdana;font-size: 12.0px;"><div>ANSWER</div><div>&nbsp;<div name="quote" style="margin:10px 5px 5px 10px; padding: 10px 0 10px 10px; border-left:2px solid #C3D9E5;"><div style="margin:0 0 10px 0;"><b>Gesendet:</b>&nbsp;Dienstag, 03. November 2026 um 10:04 Uhr<br/><b>Von:</b>&nbsp;&quot;Desk&quot; &lt;desk@help.example&gt;<br/><b>An:</b>&nbsp;jo@shop.example<br/><b>Betreff:</b>&nbsp;Bestellung</div><div name="quoted-content">{BEFORE}</div></div></div></div>',
    "proton": f'<div style="font-family: Arial;">ANSWER</div><div class="protonmail_signature_block"><div class="protonmail_signature_block-proton">Sent with <a href="https://proton.me/">Proton Mail</a> secure email.</div></div><div class="protonmail_quote">On Tuesday, November 3rd, 2026 at 10:04, {WHO} wrote:<br><blockquote class="protonmail_quote" type="cite">{BEFORE}</blockquote></div>',
    "zimbra": f'<div style="font-family: arial"><div>ANSWER</div><div><br></div><hr id="zwchr" data-marker="__DIVIDER__"><div data-marker="__HEADERS__"><blockquote style="border-left:2px solid #1010FF;margin-left:5px;padding-left:5px;"><b>De: </b>"Desk" &lt;desk@help.example&gt;<br><b>À: </b>"Jo" &lt;jo@shop.example&gt;<br><b>Envoyé: </b>Mardi 3 Novembre 2026 10:04:00<br><b>Objet: </b>Commande<br></blockquote></div><div data-marker="__QUOTED_TEXT__"><blockquote>{BEFORE}</blockquote></div></div>',
    "notes": f'<font size=2 face="sans-serif">ANSWER</font><br><br><br><br><font size=1 color=#5f5f5f face="sans-serif">Von: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1 face="sans-serif">Desk &lt;desk@help.example&gt;</font><br><font size=1 color=#5f5f5f>An: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1>jo@shop.example</font><br><font size=1>Datum: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1>03.11.2026 10:04</font><br><font size=1>Betreff: &nbsp; &nbsp; &nbsp; &nbsp;</font><font size=1>Bestellung</font><br><hr noshade><br><br>{BEFORE}',
    "k9": f'ANSWER<br>-- <br>Diese Nachricht wurde von meinem Android-Gerät mit K-9 Mail gesendet.<br><br><div class="gmail_quote">Am 3. November 2026 10:04:00 MEZ schrieb {WHO}:<blockquote class="gmail_quote">{BEFORE}</blockquote></div>',
    "samsung": f'<div dir="auto">ANSWER</div><div dir="auto"><br></div><div id="composer_signature" dir="auto"><meta>Von meinem Galaxy gesendet</div><div dir="auto"><br></div><div><br></div><div align="left" dir="auto" style="font-size:100%;color:#000000"><div>-------- Ursprüngliche Nachricht --------</div><div>Von: {WHO} </div><div>Datum: 03.11.26  10:04  (GMT+01:00) </div><div>An: jo@shop.example </div><div>Betreff: Bestellung </div><div><br></div></div>{BEFORE}',
    "mail.ru": f'<div>ANSWER</div><div>&nbsp;</div><div>&nbsp;</div><blockquote style="border-left:1px solid #0857A6; margin:10px; padding:0 0 0 10px;">Вторник, 3 ноября 2026, 10:04 +03:00 от {WHO}:<br>&nbsp;<div id=""><div class="js-helper js-readmsg-msg">{BEFORE}</div></div></blockquote>',
    "yandex": f'<div>ANSWER</div><div>&nbsp;</div><div>03.11.2026, 10:04, "Desk" &lt;desk@help.example&gt;:</div><blockquote>{BEFORE}</blockquote>',
    "qq": f'<div>ANSWER</div><div><br></div><div><!--<![endif]--></div><div style="font-size: 12px;font-family: Arial Narrow;padding:2px 0 2px 0;">------------------&nbsp;原始邮件&nbsp;------------------</div><div style="font-size: 12px;background:#efefef;padding:8px;"><div><b>发件人:</b> "Desk" &lt;desk@help.example&gt;;</div><div><b>发送时间:</b>&nbsp;2026年11月3日(星期二) 上午10:04</div><div><b>收件人:</b>&nbsp;"jo"&lt;jo@shop.example&gt;;</div><div></div><div><b>主题:</b>&nbsp;订单</div></div><div><br></div>{BEFORE}',
    "netease": f'<div style="line-height:1.7">ANSWER</div><br><p style="margin: 0;"><br></p><div id="divNeteaseMailCard"></div><p>At 2026-11-03 10:04:00, "Desk" &lt;desk@help.example&gt; wrote:</p><blockquote id="isReplyContent" style="PADDING-LEFT: 1ex; MARGIN: 0px 0px 0px 0.8ex; BORDER-LEFT: #ccc 1px solid">{BEFORE}</blockquote>',
    "netease mobile": f'<div>ANSWER</div><div id="imail_signature"></div><div class="ntes-mailmaster-quote" style="padding-top: 1px"><div style="margin-top: 2em">---- 回复的原邮件 ----</div><div><table><tr><td>发件人</td><td>Desk&lt;desk@help.example&gt;</td></tr><tr><td>日期</td><td>2026年11月03日 10:04</td></tr><tr><td>收件人</td><td>jo</td></tr><tr><td>主题</td><td>订单</td></tr></table></div>{BEFORE}</div>',
    "naver": f'<div style="font-size:10pt">ANSWER</div><p>-----Original Message-----<br><b>From:</b> "Desk"&lt;desk@help.example&gt; <br><b>To:</b> "jo"&lt;jo@shop.example&gt;; <br><b>Cc:</b> <br><b>Sent:</b> 2026-11-03 (화) 10:04:00 (GMT+09:00)<br><b>Subject:</b> 주문<br>&nbsp;</p>{BEFORE}',
    "zoho": f'<div>ANSWER</div><div class="zmail_extra"><div id="Zm-_Id_-Sgn1"><br>---- On Tue, 03 Nov 2026 10:04:00 +0100 <b>{WHO}</b> wrote ----<br></div><blockquote style="border-left: 1px solid">{BEFORE}</blockquote></div>',
    "fastmail": f'<div>ANSWER</div><div><br></div><div>On Tue, Nov 3, 2026, at 10:04 AM, Desk wrote:</div><blockquote type="cite" id="qt">{BEFORE}</blockquote>',
    "tutanota": f'<div>ANSWER</div><div><br></div><div>3. Nov. 2026, 10:04 von desk@help.example:</div><blockquote class="tutanota_quote">{BEFORE}</blockquote>',
    "spark": f'<div name="messageBodySection"><div dir="auto">ANSWER</div></div><div name="messageReplySection">On 3 Nov 2026, 10:04 +0100, {WHO}, wrote:<br><blockquote type="cite" class="spark_quote">{BEFORE}</blockquote></div>',
    "front": f'<div>ANSWER</div><br><blockquote type="cite" class="front-blockquote">On November 3, 2026, 10:04 AM GMT+1 <a>desk@help.example</a> wrote:<br><br>{BEFORE}</blockquote>',
    "open-xchange": f'<div class="default-style">ANSWER</div><blockquote type="cite"><div>Desk &lt;desk@help.example&gt; hat am 03.11.2026 10:04 geschrieben:</div><div><br></div>{BEFORE}</blockquote>',
    "roundcube": f'<p>ANSWER</p><p id="reply-intro">Am 2026-11-03 10:04, schrieb Desk:</p><blockquote type="cite" style="padding: 0 0.4em; border-left: #1010ff 2px solid; margin: 0"><div id="replybody1">{BEFORE}</div></blockquote>',
    "windows mail": f'<div class=WordSection1><p class=MsoNormal>ANSWER</p><p class=MsoNormal>Sent from <a href="https://go.microsoft.com/x">Mail</a> for Windows</p><div style=\'mso-element:para-border-div;border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in\'><p class=MsoNormal style=\'border:none;padding:0in\'><b>From: </b>{WHO}<br><b>Sent: </b>Tuesday, November 3, 2026 10:04 AM<br><b>To: </b>Jo<br><b>Subject: </b>Order</p></div>{BEFORE}</div>',
    "hotmail old": f'<html><body class="hmmessage"><div dir="ltr">ANSWER<br><br><div><hr id="stopSpelling">Date: Tue, 3 Nov 2026 10:04:00 +0000<br>From: desk@help.example<br>To: jo@shop.example<br>Subject: Order<br><br>{BEFORE}</div></div>',
    "hebrew gmail": f'<div dir="rtl">ANSWER</div><br><div class="gmail_quote"><div dir="rtl" class="gmail_attr">\u202bבתאריך יום ג׳, 3 בנוב׳ 2026 ב-10:04 מאת \u202aDesk\u202c\u200f &lt;\u202a<a href="mailto:desk@help.example">desk@help.example</a>\u202c\u200f&gt;:\u202c<br></div><blockquote class="gmail_quote">{BEFORE}</blockquote></div>',
    "aol": f'<div>ANSWER</div><div>-----Original Message-----<br>From: Desk &lt;desk@help.example&gt;<br>To: jo@shop.example<br>Sent: Tue, Nov 3, 2026 10:04 am<br>Subject: Order<br><br>{BEFORE}</div>',
    "superhuman": f'<div><div>ANSWER</div><br><div class="gmail_signature">Sent via <a href="https://sprh.mn">Superhuman</a></div></div><br><div class="gmail_quote">On Tue, Nov 03, 2026 at 10:04 AM, Desk <span>&lt;<a>desk@help.example</a>&gt;</span> wrote:<br><blockquote class="gmail_quote">{BEFORE}</blockquote></div>',
    "hey": f'<div class="trix-content"><div>ANSWER</div></div><br><div>On November 3, 2026, Desk &lt;desk@help.example&gt; wrote:</div><blockquote style="margin: 0 0 0 0.8ex;">{BEFORE}</blockquote>',
    "evolution": f'<div>ANSWER</div><div>-----Original Message-----</div><div><b>From</b>: Desk &lt;<a>desk@help.example</a>&gt;</div><div><b>To</b>: jo@shop.example</div><div><b>Subject</b>: Order</div><div><b>Date</b>: Tue, 03 Nov 2026 10:04:00 +0100</div><br>{BEFORE}',
    "lotus new": f'<font>ANSWER</font><br><br><font color="#990099">-----Desk &lt;desk@help.example&gt; wrote: -----</font><div style="padding-left:5px;border-left:solid black 2px">To: jo@shop.example<br>From: Desk &lt;desk@help.example&gt;<br>Date: 11/03/2026 10:04AM<br>Subject: Order<br><br>{BEFORE}</div>',
    "mailspring": f'<div>ANSWER</div><br><div class="gmail_quote_attribution">On Nov 3 2026, at 10:04 am, {WHO} wrote:</div><blockquote>{BEFORE}</blockquote>',
    "border-top thin": f'<div>ANSWER</div><div style="border-top: 1px solid #ccc; padding-top: 10px"><b>From:</b> {WHO}<br><b>Date:</b> Tue, 3 Nov 2026 10:04<br><b>To:</b> Jo<br><b>Subject:</b> Order</div>{BEFORE}',
}  # fmt: skip


@pytest.mark.parametrize("client", PAGES)
def test_a_page_without_plain_text_is_read(client: str) -> None:
    page = f"<html><body>{PAGES[client].replace('ANSWER', '<div>Yes, the second one.</div>')}</body></html>"
    assert new_text(html_text(page), page) == "Yes, the second one."


PHONES = """Sent from my iPhone
Sent from my iPad
Sent from my mobile
Sent from my mobile device, please excuse typos
Sent from my phone. Please excuse brevity.
Sent from my Galaxy
Sent from my Samsung Galaxy smartphone.
Sent from Samsung Mobile
Sent from my Verizon Wireless 4G LTE smartphone
Sent from my T-Mobile 4G LTE Device
Sent from my BlackBerry 10 smartphone on the Verizon Wireless 4G LTE network.
Sent from my Windows Phone
Sent from Windows Mail
Sent from Mail for Windows 10
Sent from Mail for Windows
Sent from Outlook
Sent from Outlook for iOS
Sent from Outlook Mobile
Sent from Yahoo Mail on Android
Sent from Yahoo Mail for iPhone
Sent from AOL on Android
Sent from my Huawei phone
Sent from my Xiaomi
Sent from Proton Mail for iOS
Sent with Proton Mail secure email.
Sent via Superhuman
Sent with Spark
Sent from ProtonMail mobile
Sent from Gmail Mobile
Sent from Zoho Mail
Sent from myMail for iOS
Sent from TypeApp
Sent from BlueMail for Android
Sent from Nine
Sent from my Pixel 7
Sent from a mobile device
Sent using Hushmail
Get Outlook for iOS
Get Outlook for Android<https://aka.ms/ghei36>
Get BlueMail for Android
Get TypeApp for Android
Von meinem iPhone gesendet
Von meinem iPad gesendet
Von meinem Mobiltelefon gesendet
Von meinem Galaxy gesendet
Von meinem Samsung Galaxy Smartphone gesendet.
Von meinem/meiner Galaxy gesendet
Gesendet von meinem iPhone
Gesendet mit der GMX Mail App
Gesendet mit der WEB.DE iPhone App
Gesendet mit der Telekom Mail App
Diese Nachricht wurde von meinem Android Mobiltelefon mit GMX Mail gesendet.
Gesendet von Outlook für Android
Gesendet von Mail für Windows 10
Holen Sie sich Outlook für Android
Outlook für iOS beziehen
Outlook für Android herunterladen
Gesendet von Yahoo Mail auf Android
Von Samsung-Tablet gesendet
Von meinem Huawei-Mobiltelefon gesendet
Envoyé de mon iPhone
Envoyé depuis mon iPhone
Envoyé depuis mon smartphone Samsung Galaxy.
Envoyé depuis mon appareil Galaxy
Envoyé à partir de Outlook pour Android
Envoyé à partir de Courrier pour Windows
Télécharger Outlook pour Android
Obtenez Outlook pour iOS
Provenance : Courrier pour Windows 10
Envoyé depuis l'application Mail Orange
Envoyé de mon mobile
Enviado desde mi iPhone
Enviado desde mi smartphone Samsung Galaxy.
Enviado desde Correo para Windows
Enviado desde Outlook para Android
Obtener Outlook para iOS
Obtener Outlook para Android
Enviado desde Yahoo Mail para iPhone
Enviado desde mi Huawei
Enviado desde mi teléfono móvil
Inviato da iPhone
Inviato dal mio iPhone
Inviato da Outlook per Android
Inviato da Posta per Windows
Inviato dal mio dispositivo Samsung
Inviato dal mio smartphone Samsung Galaxy.
Scarica Outlook per Android
Ottieni Outlook per iOS
Inviato da smartphone
Inviato da Libero Mail
Enviado do meu iPhone
Enviado do meu smartphone Samsung Galaxy.
Enviado do Email para Windows
Enviado do Outlook para Android
Obter o Outlook para iOS
Obter Outlook para Android
Enviado via iPhone
Enviado a partir do meu smartphone
Verstuurd vanaf mijn iPhone
Verzonden vanaf mijn Galaxy
Verzonden via Outlook voor Android
Verzonden vanuit Mail voor Windows
Outlook voor Android downloaden
Outlook downloaden voor Android
Download Outlook voor iOS
Verstuurd vanaf mijn Samsung-apparaat
Wysłane z iPhone'a
Wysłane z iPhone
Wysłane z aplikacji Poczta dla systemu Windows
Wysłano z telefonu Samsung
Wysłane z programu Outlook dla systemu Android
Pobierz aplikację Outlook dla systemu iOS
Pobierz Outlook dla systemu Android
Wysłane z mojego smartfona
Skickat från min iPhone
Skickat från min Galaxy
Skickat från Outlook för Android
Skickat från E-post för Windows
Hämta Outlook för iOS
Hämta Outlook för Android
Sendt fra min iPhone
Sendt fra min Galaxy
Sendt fra min mobil
Sendt fra Outlook til Android
Sendt fra E-post for Windows
Hent Outlook til iOS
Hent Outlook for Android
Få Outlook for iOS
Få Outlook til Android
Sent fra min iPhone
Lähetetty iPhonesta
Lähetetty Outlook for Androidista
Lähetetty Galaxy-laitteestani
Hanki Outlook for iOS
Lähetetty Windowsin Sähköpostista
Odesláno z iPhonu
Odesláno z mého telefonu Galaxy
Odesláno z aplikace Outlook pro Android
Odesláno z Pošty pro Windows
Stáhnout Outlook pro Android
Získat Outlook pro iOS
Отправлено с iPhone
Отправлено с моего iPhone
Отправлено с устройства Samsung
Отправлено из мобильной Яндекс.Почты
Отправлено из Почты Mail.ru
Отправлено из Outlook для Android
Получить Outlook для iOS
Скачать Outlook для Android
Отправлено из приложения Почта для Windows
Надіслано з iPhone
Надіслано з мого iPhone
Надіслано з пристрою Galaxy
Отримати Outlook для iOS
iPhone'umdan gönderildi
Samsung Galaxy cihazımdan gönderildi
Android için Outlook'tan gönderildi
Windows için Posta ile gönderildi
iOS için Outlook'u edinin
Android için Outlook uygulamasını edinin
发自我的 iPhone
发自我的iPhone
发自我的华为手机
从我的 iPhone 发送
從我的 iPhone 傳送
發自我的 iPhone
从 Windows 版邮件发送
发送自 Outlook
获取 Outlook for iOS
获取适用于 Android 的 Outlook
取得 iOS 版 Outlook
发自我的小米手机
来自 Outlook
来自我的iPhone
发自网易邮箱大师
iPhoneから送信
私のiPhoneから送信
Outlook for iOS を入手
iOS 版 Outlook を入手
Outlook for Android を入手してください
Windows 版のメールから送信
Android版Yahoo!メールから送信
나의 iPhone에서 보냄
내 iPhone에서 보냄
나의 갤럭시에서 보냄
iOS용 Outlook 다운로드
iOS용 Outlook 받기
Windows용 메일에서 보냄
삼성 Galaxy 스마트폰에서 보냈습니다.
Trimis de pe iPhone
Elküldve az iPhone-omról
Στάλθηκε από το iPhone μου
נשלח מה-iPhone שלי
أُرسلت من الـ iPhone
Được gửi từ iPhone của tôi
Dikirim dari iPhone saya
ส่งจาก iPhone ของฉัน
Poslano z mojega iPhona
Odoslané z iPhonu""".splitlines()


@pytest.mark.parametrize("line", PHONES)
def test_what_a_program_adds_is_no_word_of_the_writer(line: str) -> None:
    assert is_phone_line(line)
    assert new_text(f"{ANSWER}\n\n{line}\n", "") == ANSWER


@pytest.mark.parametrize(
    "line",
    [
        "Sent from my desk, it is much easier than my mobile phone.",
        "I sent it from my phone yesterday",
        "Von meinem Konto wurde Geld gesendet",
        "Enviado el paquete ayer desde Madrid",
        "Отправлено вчера почтой",
        "从上海发送的包裹还没到",
        "来自上海的客户想知道价格",
        "Get Outlook working please",
        "Get the mail from the phone and call me",
        "Obtener el dinero de vuelta",
        "Hent pakken i dag",
        "Skickat från lagret i går",
        "From my mobile you can reach me at 0171 123",
        "The Android app crashes",
    ],
)
def test_a_sentence_about_a_phone_is_the_writers(line: str) -> None:
    assert not is_phone_line(line)
