"""Engine for BigQuery: the GoogleSQL reference evaluator (parser, analyzer and evaluator as WASM).

It accepts more than BigQuery, which bigquery_refusals.py refuses in its place. In this build PARSE_DATE and PARSE_TIMESTAMP reject %F.
"""
import ctypes
import datetime as dt
import decimal
import hashlib
import importlib.metadata
import os

import wasmtime
from google.protobuf import empty_pb2
from zetasql.core import wasm_client
from zetasql.wasi import get_wasm_path
from zetasql.wasi._pb2.zetasql.local_service import local_service_pb2 as service
from zetasql.wasi._pb2.zetasql.proto import options_pb2
from zetasql.wasi._pb2.zetasql.public import type_pb2

import bigquery_refusals
from literals import literal, rows_of
from values import to_json


class CachedModule:
    """Stores the machine code of the WASM module, because compiling the module takes tens of seconds."""

    @staticmethod
    def from_file(engine, path):
        info = os.stat(path)
        version = importlib.metadata.version("wasmtime")
        key = hashlib.sha1(f"{path}{info.st_size}{info.st_mtime_ns}{version}".encode()).hexdigest()
        cache = os.environ.get("FORMULAC_ORACLE_CACHE") or os.path.expanduser("~/.cache/formulac")
        cached = os.path.join(cache, f"googlesql-{key[:16]}.cwasm")
        if os.path.exists(cached):
            try:
                return wasmtime.Module.deserialize_file(engine, cached)
            except wasmtime.WasmtimeError:
                pass
        module = wasmtime.Module.from_file(engine, path)
        try:
            os.makedirs(cache, exist_ok=True)
            partial = f"{cached}.{os.getpid()}"
            with open(partial, "wb") as out:
                out.write(module.serialize())
            os.replace(partial, cached)
        except OSError:
            pass
        return module


class Client(wasm_client.WasmClient):
    """Moves memory in one step; the package moves it byte by byte."""

    def address(self, pointer):
        return ctypes.addressof(self.memory.data_ptr().contents) + pointer

    def write_bytes(self, pointer, data):
        ctypes.memmove(self.address(pointer), data, len(data))

    def read_bytes(self, pointer, size):
        return ctypes.string_at(self.address(pointer), size)


class Engine:
    name = "bigquery"

    def __init__(self):
        wasm_client.Module = CachedModule
        self.client = Client(get_wasm_path())
        self.language = self.call(
            "GetLanguageOptions",
            service.LanguageOptionsRequest(maximum_features=True),
            options_pb2.LanguageOptionsProto,
        )
        self.language.product_mode = 1                # PRODUCT_EXTERNAL: BigQuery's types only
        self.kinds = {v: k.removeprefix("TYPE_") for k, v in type_pb2.TypeKind.items()}
        self.tables = {}
        self.empty_catalog = self.register({})
        self.catalog = None

    def call(self, method, request, response):
        return self.client.call_grpc_func("ZetaSqlLocalService_" + method, request, response)

    def register(self, tables):
        request = service.RegisterCatalogRequest()
        catalog = request.simple_catalog
        catalog.name = "oracle"
        catalog.builtin_function_options.language_options.CopyFrom(self.language)
        for number, (name, columns, data) in enumerate(tables.values(), start=1):
            entry = catalog.table.add()
            entry.name, entry.serialization_id = name, number
            for column_name, column_type in columns:
                column = entry.column.add()
                column.name = column_name
                column.type.CopyFrom(column_type)
            request.table_content[name].table_data.CopyFrom(data)
        return self.call("RegisterCatalog", request, service.RegisterResponse).registered_id

    def forget_catalog(self):
        if self.catalog is not None:
            request = service.UnregisterRequest(registered_id=self.catalog)
            self.call("UnregisterCatalog", request, empty_pb2.Empty)
            self.catalog = None

    def load(self, table):
        nulls = ", ".join(
            f'{literal(self.name, None, column["type"])} AS `{column["name"].replace("`", chr(92) + "`")}`'
            for column in table["columns"]
        )
        header = f"SELECT {nulls} FROM (SELECT 1) WHERE FALSE"
        rows = ["SELECT " + row for row in rows_of(self.name, table)]
        data = None
        for start in range(0, max(len(rows), 1), 200):
            chunk = "\nUNION ALL ".join([header] + rows[start:start + 200])
            answer = self.evaluate(chunk, self.empty_catalog)
            columns = answer.prepared.columns
            if data is None:
                data = answer.content.table_data
            else:
                data.row.extend(answer.content.table_data.row)
        self.tables[table["name"].lower()] = (
            table["name"], [(column.name, column.type) for column in columns], data
        )
        self.forget_catalog()

    def evaluate(self, sql, catalog):
        request = service.EvaluateQueryRequest(sql=sql, registered_catalog_id=catalog)
        request.options.language_options.CopyFrom(self.language)
        request.options.default_timezone = "UTC"
        request.options.prune_unused_columns = True
        return self.call("EvaluateQuery", request, service.EvaluateQueryResponse)

    def query(self, sql):
        bigquery_refusals.check(sql)
        if self.catalog is None:
            self.catalog = self.register(self.tables)
        answer = self.evaluate(sql.strip().rstrip(";"), self.catalog)
        columns = answer.prepared.columns
        rows = [
            [value_of(value, column.type) for value, column in zip(row.cell, columns)]
            for row in answer.content.table_data.row
        ]
        types = [self.kinds.get(column.type.type_kind, "?") for column in columns]
        return [column.name for column in columns], types, rows

    def close(self):
        pass


def value_of(value, kind):
    field = value.WhichOneof("value")
    if field is None:
        return None
    content = getattr(value, field)
    if field in ("numeric_value", "bignumeric_value"):
        number = decimal.Decimal(int.from_bytes(content, "little", signed=True))
        places = 9 if field == "numeric_value" else 38
        return to_json(decimal.Context(prec=80).scaleb(number, -places))
    if field == "date_value":
        return (dt.date(1970, 1, 1) + dt.timedelta(days=content)).isoformat()
    if field == "timestamp_value":
        epoch = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
        since = dt.timedelta(seconds=content.seconds, microseconds=content.nanos // 1000)
        return to_json(epoch + since)
    if field == "datetime_value":
        bits = content.bit_field_datetime_seconds
        return to_json(dt.datetime(
            bits >> 26, (bits >> 22) & 15, (bits >> 17) & 31, (bits >> 12) & 31, (bits >> 6) & 63,
            bits & 63, content.nanos // 1000,
        ))
    if field == "time_value":
        seconds, nanos = content >> 30, content & ((1 << 30) - 1)
        return to_json(
            dt.time(seconds >> 12, (seconds >> 6) & 63, seconds & 63, nanos // 1000)
        )
    if field == "array_value":
        return [value_of(item, kind.array_type.element_type) for item in content.element]
    if field == "struct_value":
        fields = kind.struct_type.field
        return {f.field_name: value_of(v, f.field_type) for f, v in zip(fields, content.field)}
    return to_json(content)
